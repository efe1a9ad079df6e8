"""Which images of a data set are acquired, which are synthetic, and what these were made from."""

from dataclasses import dataclass
from pathlib import Path

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import names, query, sidecar
from clinica_t1nce.datasets.choices import SYNTHETIC, find_model
from clinica_t1nce.datasets.homogenised_tables import T1NCE_TSV
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.text import read_rows


@dataclass(frozen=True)
class AnalysedImage:
    """An image that is analysed as a T1nce.

    Attributes
    ----------
    visit
        Participant and session.
    image
        Path of the image.
    synthetic
        Whether it was made from a T1ce.
    source
        Path of the image before the translation: the T1ce, or an acquired T1nce itself; None
        where the T1ce is not at hand.
    """

    visit: Visit
    image: Path
    synthetic: bool
    source: Path | None


def find_origins(root: Path, model: str | None = None) -> list[AnalysedImage]:
    """List the images of a CAPS of t1-synth-nce, or of a homogenised BIDS.

    Parameters
    ----------
    root
        Root of the data set.
    model
        Name of the weights, if a CAPS holds images of several.

    Returns
    -------
    list of Origin

    Raises
    ------
    SelectionError
        If it is neither, or holds images of several models and none is named, or none of `model`.
    """
    if (root / T1NCE_TSV).is_file():
        return _of_bids(root)
    if (root / "subjects").is_dir():
        return _of_caps(root, model)
    raise SelectionError(
        f"{root}: neither a CAPS nor a data set of `clinica-t1nce homogenise`; give one of them"
    )


def _of_bids(root: Path) -> list[AnalysedImage]:
    found = []
    for row in read_rows(root / T1NCE_TSV, ["participant_id", "session_id", "t1nce"]):
        visit = Visit(row["participant_id"], row["session_id"])
        folder = root / visit.subject / visit.session / "anat"
        for image in sorted(folder.glob("*_T1w.nii.gz")):
            synthetic = row["t1nce"] == SYNTHETIC
            found.append(
                AnalysedImage(visit, image, synthetic, _source(image) if synthetic else image)
            )
    return found


def _source(image: Path) -> Path | None:
    """Find the T1ce: the link leads into the CAPS, where the sidecar says what it was made from."""
    real = image.resolve()
    content = sidecar.read(real)
    for uri in [] if content is None else content.get("Sources", []):
        caps = next((p.parent for p in real.parents if p.name == "subjects"), None)
        path = names.resolve(uri, caps, real.parent)
        if path.is_file():
            return path
    return None


def _of_caps(root: Path, model: str | None) -> list[AnalysedImage]:
    chosen = find_model(root, model) or ""
    found = []
    for visit, crop in query.find_crops(root):
        image = names.output_path(crop, chosen)
        translated = image.is_file()
        found.append(AnalysedImage(visit, image if translated else crop, translated, crop))
    return found
