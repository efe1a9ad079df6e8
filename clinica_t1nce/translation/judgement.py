"""Whether images of a CAPS show gadolinium: one small JSON an image, and a table of them all.

The JSON files are the state: a run that was killed goes on with those that are missing, and any
number of processes may work on one CAPS.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clinica_t1nce
from clinica_t1nce.bids.dataset import Dataset
from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import names, query, selection, table
from clinica_t1nce.errors import SelectionError, T1nceError, WeightsError
from clinica_t1nce.files import atomic, nifti, tsv
from clinica_t1nce.files.text import find_json, write_text

if TYPE_CHECKING:
    from clinica_t1nce.synthesis.synthesizer import Synthesizer

NAME = "gadolinium.tsv"
COLUMNS = (
    "participant_id",
    "session_id",
    "source",
    "model",
    "probability",
    "image",
    "metadata",
    "contradiction",
)
"""``probability`` that gadolinium was given, read from the image by `model`; ``image`` is T1ce
from 0.5, else T1nce; ``metadata`` is what shows that the image is a T1ce, nothing, or
that they cannot be read."""


UNREADABLE = "cannot be read"
"""What stands for metadata that cannot be read or are not understood."""


def detect(
    crop: Path, output: Path, synthesizer: "Synthesizer", root: Path | None = None
) -> dict[str, Any]:
    """Judge one image, and write the judgement.

    Parameters
    ----------
    crop
        A crop of t1-linear.
    output
        The JSON; see :func:`clinica_t1nce.caps.names.gadolinium_path`.
    synthesizer
        A model whose card has a detector.
    root
        Root of the data set that holds both, for BIDS URIs.

    Returns
    -------
    dict
        The JSON's content.

    Raises
    ------
    ImageError
        If the crop cannot be used.
    WeightsError
        If the model has no detector.
    OutputError
        If the judgement cannot be written.
    """
    image = nifti.load(crop, shape=nifti.CROP_SHAPE, zooms=nifti.CROP_ZOOMS)
    try:
        probability = synthesizer(image.data, image.affine).gadolinium
    except T1nceError as error:
        raise type(error)(f"{crop}: {error}") from error
    if probability is None:
        raise WeightsError(
            f"{synthesizer.card.name}: these weights cannot tell whether gadolinium was given; "
            "calibrate them (`clinica-t1nce calibrate`) or choose others"
        )
    content = {
        "Description": "Whether a T1w shows gadolinium, read from what a generator would remove.",
        "Sources": [names.uri(crop, root, output.parent)],
        "GadoliniumProbability": float(f"{probability:.6g}"),
        "GeneratedBy": [{"Name": "clinica-t1nce", "Version": clinica_t1nce.__version__}],
        "Model": {"Name": synthesizer.card.name, "SHA256": synthesizer.card.sha256},
    }
    with atomic.temporary(output) as part:
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return content


def read(crop: Path, model: str, sha256: str) -> float | None:
    """Give the probability that some weights found before; None if they have not.

    Looked for in the JSON of :func:`detect`, then in the sidecar of the T1nce.

    Parameters
    ----------
    crop
        A crop of t1-linear.
    model, sha256
        Of the weights.
    """
    t1nce = names.output_path(crop, model)
    sidecars = (names.sidecar_path(names.in_space(t1nce, space)) for space in names.SPACES)
    for path in (names.gadolinium_path(crop), *sidecars):
        content = find_json(path) or {}
        value = content.get("GadoliniumProbability")
        if isinstance(value, int | float) and content.get("Model", {}).get("SHA256") == sha256:
            return float(value)
    return None


def rewrite(
    caps: Path,
    crops: Iterable[tuple[Visit, Path]],
    model: str,
    sha256: str,
    dataset: Dataset | None = None,
) -> list[dict[str, str]]:
    """Write the table of all judgements of some weights anew.

    As with the table of images, any number of processes may do so at a time.

    Parameters
    ----------
    caps
        Root of the CAPS.
    crops
        Those that were asked for.
    model, sha256
        Of the weights.
    dataset
        The BIDS that t1-linear read: its sidecars are metadata, too.

    Returns
    -------
    list of dict
        The rows of `crops`; those that were not judged are left out.

    Raises
    ------
    OutputError
        If the table cannot be written.
    """
    asked = {crop for _, crop in crops}
    for _ in range(table.MOST_LOOKS):
        rows = _rows(caps, model, sha256, dataset)
        if not write_text(caps / NAME, tsv.text(rows.values(), COLUMNS)):
            break
    return [row for crop, row in rows.items() if crop in asked]


def _rows(
    caps: Path, model: str, sha256: str, dataset: Dataset | None
) -> dict[Path, dict[str, str]]:
    rows = {}
    for visit, crop in query.find_crops(caps):
        probability = read(crop, model, sha256)
        if probability is None:
            continue
        try:
            reason = selection.evidence(crop, dataset)
            told = selection.contradiction(reason, probability)
        except SelectionError:
            reason, told = UNREADABLE, None
        rows[crop] = {
            "participant_id": visit.subject,
            "session_id": visit.session,
            "source": names.uri(crop, caps, caps),
            "model": model,
            "probability": f"{probability:.4f}",
            "image": "T1ce" if probability >= selection.SEEN else "T1nce",
            "metadata": reason or "nothing",
            "contradiction": told or "",
        }
    return rows
