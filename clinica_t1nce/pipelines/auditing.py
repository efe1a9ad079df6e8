"""The audit of a data set: features of its images, and how well they tell synthetic ones."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from clinica_t1nce.datasets.provenance import Origin
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.evaluation.audit import Separability, audit, measure_image
from clinica_t1nce.files import nifti, tsv
from clinica_t1nce.translation.classification import require_detector
from clinica_t1nce.translation.options import Device

STAGES = (AFTER, BEFORE) = ("after", "before")
"""The T1nce, and the T1ce that they were made from."""

Features = dict[str, dict[str, float]]
"""Features of one image by the name of their set."""

Volumes = Mapping[tuple[str, str, str], Features]
"""Volumes of images by participant, session and stage."""


def compare(
    origins: Sequence[Origin], model: str, device: Device, volumes: Volumes, *, detector: bool
) -> dict[str, Mapping[str, Separability]]:
    """Tell how well acquired and synthetic images of a data set can be told apart.

    Parameters
    ----------
    origins
        Images, from :func:`clinica_t1nce.datasets.provenance.find_origins`.
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
    logit = _load_detector(model, device) if detector else None
    stages = STAGES if all(origin.source for origin in origins) else (AFTER,)
    found: dict[str, Mapping[str, Separability]] = {}
    for stage in stages:
        features = [_measure(origin, stage, volumes, logit) for origin in origins]
        found[stage] = audit(
            features,
            [origin.synthetic for origin in origins],
            [origin.visit.subject for origin in origins],
        )
    return found


def read_volumes(path: Path) -> Volumes:
    """Read volumes of images from a table.

    Parameters
    ----------
    path
        Table with the columns ``participant_id``, ``session_id``, a column a structure and, if
        wanted, ``stage``.

    Raises
    ------
    SelectionError
        If it cannot be read, or holds something else than numbers.
    """
    known: dict[tuple[str, str, str], Features] = {}
    for row in tsv.read(path, ["participant_id", "session_id"]):
        key = (row.pop("participant_id"), row.pop("session_id"), row.pop("stage", AFTER))
        try:
            known[key] = {"volumes": {name: float(value) for name, value in row.items()}}
        except ValueError as error:
            raise SelectionError(f"{path}: {' '.join(key)}: {error}; write numbers") from error
    return known


def _measure(
    origin: Origin,
    stage: str,
    volumes: Volumes,
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
