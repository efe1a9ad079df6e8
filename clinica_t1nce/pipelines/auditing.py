"""The audit of a data set: features of its images, and how well they tell synthetic ones."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from clinica_t1nce.datasets.provenance import AnalysedImage
from clinica_t1nce.errors import SelectionError, some
from clinica_t1nce.evaluation.audit import Separability, audit, check_numbers, measure_image
from clinica_t1nce.files import nifti
from clinica_t1nce.files.text import check_once, read_numbered
from clinica_t1nce.translation.classification import require_detector
from clinica_t1nce.translation.options import Device

STAGES = (AFTER, BEFORE) = ("after", "before")
"""The T1nce, and the T1ce that they were made from."""

Features = dict[str, dict[str, float]]
"""Features of one image by the name of their set."""

StageVolumes = Mapping[tuple[str, str, str], Features]
"""Volumes of images by participant, session and stage."""


def measure_separability(
    origins: Sequence[AnalysedImage],
    model: str,
    device: Device,
    volumes: StageVolumes,
    *,
    detector: bool,
) -> dict[str, Mapping[str, Separability]]:
    """Tell how well acquired and synthetic images of a data set can be told apart.

    Parameters
    ----------
    origins
        Images found by :func:`clinica_t1nce.datasets.provenance.find_origins`.
    model
        Name or file of weights, such as ``"default"``.
    device
        Device of the detector: ``"auto"``, ``"cpu"`` or ``"cuda"``.
    volumes
        Result of :func:`read_volumes`; empty without volumes.
    detector
        Whether the model's probability of gadolinium is a feature.

    Returns
    -------
    dict
        Results by set of features, for each stage that there are images of.

    Raises
    ------
    SelectionError
        If there are too few images.
    """
    synthetic = [origin.synthetic for origin in origins]
    participants = [origin.visit.subject for origin in origins]
    check_numbers(synthetic, participants)
    logit = _load_detector(model, device) if detector else None
    found: dict[str, Mapping[str, Separability]] = {}
    for stage in _stages(origins):
        features = [_features_of(origin, stage, volumes, logit) for origin in origins]
        found[stage] = audit(features, synthetic, participants)
    return found


def find_name(model: str) -> str | None:
    """Name the model whose images are audited.

    Parameters
    ----------
    model
        Name or file of weights, or ``"default"``.

    Returns
    -------
    str or None
        Name of the model; None for ``"default"``: the only one that made images.

    Raises
    ------
    WeightsError
        If the file cannot be read.
    """
    if model == "default":
        return None
    from clinica_t1nce.models import storage

    return storage.find_name(model)


def read_volumes(path: Path, origins: Sequence[AnalysedImage]) -> StageVolumes:
    """Read volumes of images from a table.

    Parameters
    ----------
    path
        Table with the columns ``participant_id``, ``session_id``, a column a structure and, if
        wanted, ``stage``.
    origins
        Images, each of which needs a row.

    Raises
    ------
    SelectionError
        If it cannot be read, holds something else than numbers, nothing of some image, or lists
        one twice.
    """
    known: dict[tuple[str, str, str], Features] = {}
    lines: dict[str, list[int]] = {}
    for number, row in read_numbered(path, ["participant_id", "session_id"])[1]:
        key = (row.pop("participant_id"), row.pop("session_id"), row.pop("stage", AFTER))
        label = f"{path}: {' '.join(key)}"
        if key[2] not in STAGES:
            raise SelectionError(f"{label}: the stage is neither {' nor '.join(STAGES)}; write one")
        try:
            found = {name: float(value) for name, value in row.items()}
        except ValueError as error:
            raise SelectionError(f"{label}: {error}; write numbers") from error
        if not found or not all(map(math.isfinite, found.values())):
            raise SelectionError(f"{label}: a volume is missing or not finite; write numbers")
        known[key] = {"volumes": found}
        lines.setdefault(" ".join(key), []).append(number)
    check_once(path, lines)
    given = {stage for _, _, stage in known} or {AFTER}
    for stage in given.intersection(_stages(origins)):
        missing = [" ".join(o.visit) for o in origins if (*o.visit, stage) not in known]
        if missing:
            raise SelectionError(
                f"{path}: no volumes of {some(missing)} {stage} the translation; every image, "
                "acquired ones too, needs a row"
            )
    return known


def why_not_before(origins: Sequence[AnalysedImage]) -> str | None:
    """Say why nothing is measured before the translation; None if something is."""
    missing = [origin.image for origin in origins if origin.source is None]
    if not missing:
        return None
    return (
        f"{missing[0]}: what it was made from is not there, as of {len(missing)} of {len(origins)} "
        "images; nothing is told of the images before the translation (are the CAPS and its BIDS "
        "still where they were?)"
    )


def _stages(origins: Sequence[AnalysedImage]) -> Sequence[str]:
    return STAGES if why_not_before(origins) is None else (AFTER,)


def _features_of(
    origin: AnalysedImage,
    stage: str,
    volumes: StageVolumes,
    logit: Callable[[nifti.Image], float] | None,
) -> Features:
    path = origin.source if stage == BEFORE and origin.source is not None else origin.image
    image = nifti.load(path)
    features = measure_image(image.data)
    if logit is not None:
        features["detector"] = {"logit": logit(image)}
    return features | volumes.get((*origin.visit, stage), {})


def _load_detector(model: str, device: Device) -> Callable[[nifti.Image], float]:
    from clinica_t1nce.synthesis.synthesizer import Synthesizer

    synthesizer = Synthesizer.load(model, device)
    require_detector(synthesizer.card, synthesizer.card.calibration.get("gadolinium"))

    def logit(image: nifti.Image) -> float:
        found = synthesizer(image.data, image.affine).gadolinium
        assert found is not None, "the model has a detector"
        bounded = min(max(found, 1e-6), 1 - 1e-6)
        return math.log(bounded / (1 - bounded))

    return logit
