"""Whether images of a CAPS show gadolinium: one small JSON an image, and a table of them all.

The JSON files are the state: a run that was killed goes on with those that are missing, and any
number of processes may work on one CAPS.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clinica_t1nce
from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.bids.t1w_images import Dataset
from clinica_t1nce.caps import names, query, selection, table
from clinica_t1nce.errors import SelectionError, WeightsError
from clinica_t1nce.files import atomic
from clinica_t1nce.files.content import has_changed
from clinica_t1nce.files.text import find_json, table_text, write_text
from clinica_t1nce.translation.jobs import Job

if TYPE_CHECKING:
    from clinica_t1nce.models.cards import Card

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


def require_detector(card: "Card", found: object) -> None:
    """Refuse weights that cannot tell whether gadolinium was given.

    Parameters
    ----------
    card
        Card of the weights.
    found
        Detector, or probability, that they have; None where they have none.

    Raises
    ------
    WeightsError
        If there is none.
    """
    if found is None:
        raise WeightsError(
            f"{card.name}: these weights cannot tell whether gadolinium was given; calibrate them "
            "(`clinica-t1nce calibrate`) or choose others with --model"
        )


def write_found(
    job: Job, probability: float, card: "Card", note: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the JSON of one image.

    Parameters
    ----------
    job
        Job with a path for the JSON.
    probability
        Probability that gadolinium was given, 0 to 1.
    card
        Card of the weights that found it.
    note
        Note of the image, from :func:`clinica_t1nce.files.content.read_noted`.

    Returns
    -------
    dict
        Content of the JSON.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    content = {
        "Description": "Whether a T1w shows gadolinium, read from what a generator would remove.",
        "Sources": [],
        "GadoliniumProbability": float(f"{probability:.6g}"),
        "GeneratedBy": [{"Name": "clinica-t1nce", "Version": clinica_t1nce.__version__}],
        "Model": {"Name": card.name, "SHA256": card.sha256},
    }
    path = job.classification
    if path is not None:
        content["Sources"] = [names.uri(job.source, job.root, path.parent)]
        content["SourceFiles"] = [dict(note)]
        with atomic.temporary(path) as part:
            part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return content


def find_probability(crop: Path, model: str, sha256: str) -> float | None:
    """Give the probability that some weights found before; None if they have not.

    Looked for in the JSON of :func:`write_found`, then in the sidecar of the T1nce.

    Parameters
    ----------
    crop
        Path of a crop of t1-linear.
    model, sha256
        Name of the weights, and their digest.
    """
    t1nce = names.output_path(crop, model)
    sidecars = (names.sidecar_path(names.in_space(t1nce, space)) for space in names.SPACES)
    for path in (names.gadolinium_path(crop), *sidecars):
        content = find_json(path) or {}
        value = content.get("GadoliniumProbability")
        if (
            isinstance(value, int | float)
            and content.get("Model", {}).get("SHA256") == sha256
            and not any(has_changed(crop, f) for f in content.get("SourceFiles", [])[:1])
        ):
            return float(value)
    return None


def rewrite_table(
    caps: Path,
    crops: Iterable[tuple[Visit, Path]],
    model: str,
    sha256: str,
    dataset: Dataset | None = None,
) -> list[dict[str, str]]:
    """Write the table of all that some weights have classified anew.

    As with the table of images, any number of processes may do so at a time.

    Parameters
    ----------
    caps
        Root of the CAPS.
    crops
        Crops that were asked for.
    model, sha256
        Name of the weights, and their digest.
    dataset
        BIDS that t1-linear read: its sidecars are metadata, too.

    Returns
    -------
    list of dict
        Rows of `crops`; those that were not classified are left out.

    Raises
    ------
    OutputError
        If the table cannot be written.
    """
    asked = {crop for _, crop in crops}
    for _ in range(table.MOST_LOOKS):
        rows = _classified_rows(caps, model, sha256, dataset)
        if not write_text(caps / NAME, table_text(rows.values(), COLUMNS)):
            break
    return [row for crop, row in rows.items() if crop in asked]


def _classified_rows(
    caps: Path, model: str, sha256: str, dataset: Dataset | None
) -> dict[Path, dict[str, str]]:
    rows = {}
    for visit, crop in query.find_crops(caps):
        probability = find_probability(crop, model, sha256)
        if probability is None:
            continue
        try:
            reason = selection.find_crop_evidence(crop, dataset)
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
