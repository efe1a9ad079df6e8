"""Which images of a data set are acquired, which are synthetic, and what these were made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlparse

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.bids.t1w_images import Dataset
from clinica_t1nce.caps import description, names, query, sidecar
from clinica_t1nce.datasets.choices import (
    ACQUIRED,
    REGENERATED,
    SYNTHETIC,
    find_in_caps,
    find_model,
)
from clinica_t1nce.datasets.homogenised_tables import T1NCE_TSV
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.text import find_json, read_rows


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
        Path of the image before the translation, on the same grid: the T1ce, the T1nce that went
        through the generator, or an acquired T1nce itself; None where it is not at hand.
    """

    visit: Visit
    image: Path
    synthetic: bool
    source: Path | None


@dataclass(frozen=True)
class FoundImages:
    """What a data set holds.

    Attributes
    ----------
    images
        Images that are analysed.
    n_left_out
        Number of crops of a CAPS that are not: T1ce without a sound T1nce, T1nce that have not
        gone through the generator where others have, and all those of visits in `failed`.
    failed
        Errors by visit, of visits whose metadata cannot be read or are not understood.
    """

    images: list[AnalysedImage]
    n_left_out: int = 0
    failed: Mapping[Visit, SelectionError] = field(default_factory=dict)


def find_origins(
    root: Path, model: str | None = None, dataset: Dataset | None = None
) -> FoundImages:
    """List the images of a CAPS of t1-synth-nce, or of a homogenised BIDS.

    What is a T1ce in a CAPS is decided as :func:`clinica_t1nce.datasets.choices.find_in_caps`
    does. Where t1-synth-nce has taken T1nce, too (``--include-t1nce``), they are analysed as the
    generator has left them.

    Parameters
    ----------
    root
        Root of the data set.
    model
        Name of the weights, if a CAPS holds images of several.
    dataset
        The BIDS that t1-linear read, for a CAPS; None: the names of the crops and what was given
        to t1-synth-nce are all that is known.

    Raises
    ------
    SelectionError
        If it is neither, or holds images of several models and none is named, or none of `model`.
    """
    if (root / T1NCE_TSV).is_file():
        return FoundImages(_of_bids(root))
    if (root / "subjects").is_dir():
        return _of_caps(root, model, dataset)
    raise SelectionError(
        f"{root}: neither a CAPS nor a data set of `clinica-t1nce homogenise`; give one of them"
    )


def _of_bids(root: Path) -> list[AnalysedImage]:
    found = []
    links = _read_links(root)
    for row in read_rows(root / T1NCE_TSV, ["participant_id", "session_id", "t1nce"]):
        visit = Visit(row["participant_id"], row["session_id"])
        folder = root / visit.subject / visit.session / "anat"
        kind = row["t1nce"]
        for image in sorted(folder.glob("*_T1w.nii.gz")):
            source = image if kind == ACQUIRED else _source_of_placed(image, links)
            found.append(AnalysedImage(visit, image, kind == SYNTHETIC, source))
    return found


def _read_links(root: Path) -> dict[str, Path]:
    """Give the folders by their names in the BIDS URIs of a data set's sidecars."""
    links = (find_json(root / description.DESCRIPTION) or {}).get("DatasetLinks")
    links = links if isinstance(links, dict) else {}
    return {name: Path(unquote(urlparse(str(where)).path)) for name, where in links.items()}


def _source_of_placed(image: Path, links: Mapping[str, Path]) -> Path | None:
    """Find what an image was made from that is a link to, or a copy of, one of a CAPS."""
    uris = (sidecar.read(image) or {}).get("Sources") or []
    made = [names.resolve(uri, None, image.parent, links) for uri in uris[:1]]
    # A link leads into the CAPS even where the description is gone.
    return next(filter(None, map(_source, [*made, image.resolve()])), None)


def _source(image: Path) -> Path | None:
    """Find the image that one of a CAPS was made from, on its grid: its sidecar says it."""
    caps = next((parent.parent for parent in image.parents if parent.name == "subjects"), None)
    content = sidecar.read(image)
    if caps is None or content is None:
        return None
    # Sources begin with the crop, on whichever grid the image lies.
    uri = content.get("SpatialReference") or next(iter(content.get("Sources") or []), None)
    path = None if uri is None else names.resolve(uri, caps, image.parent)
    return path if path is not None and path.is_file() else None


def _of_caps(root: Path, model: str | None, dataset: Dataset | None) -> FoundImages:
    chosen = find_model(root, model)
    found = find_in_caps(root, model=chosen, dataset=dataset, include_t1nce=True)
    if all(candidate.kind != REGENERATED for candidate in found.candidates):
        found = find_in_caps(root, model=chosen, dataset=dataset)
    images = [
        AnalysedImage(
            Visit(candidate.visit.subject, candidate.session),
            candidate.path,
            candidate.kind == SYNTHETIC,
            candidate.path if candidate.kind == ACQUIRED else _source(candidate.path),
        )
        for candidate in found.candidates
    ]
    return FoundImages(images, len(list(query.find_crops(root))) - len(images), found.failed)
