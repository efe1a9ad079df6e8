"""``clinica-t1nce audit``."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clinica_t1nce.pipelines.command import OneLineError, WrongUsageError, click_options, working

if TYPE_CHECKING:
    from clinica_t1nce.datasets.provenance import Origin
    from clinica_t1nce.evaluation.audit import Separability
    from clinica_t1nce.translation.options import Device

AFTER, BEFORE = STAGES = ("after", "before")
COLUMNS = ("stage", "features", "n_acquired", "n_synthetic", "auc", "low", "high", "accuracy")

Features = dict[str, dict[str, float]]


@click.command("audit")
@click.argument("dataset", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click_options(click.option, "model", "device")
@click.option(
    "--volumes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="TSV",
    help="Volumes of the images: participant_id, session_id, a column a structure and, if volumes "
    "of the T1ce are there as well, the column stage (before or after).",
)
@click.option(
    "--detector/--no-detector",
    default=True,
    show_default=True,
    help="Take the probability of gadolinium that the model reads from each image as a feature "
    "(some seconds an image).",
)
def cli(
    dataset: Path,
    out: Path,
    model: str,
    device: "Device",
    volumes: Path | None,
    detector: bool,
) -> None:
    """Tell how well acquired and synthetic images of DATASET can still be told apart.

    DATASET is a CAPS with the images of t1-synth-nce, or a data set of `clinica-t1nce homogenise`.
    A small classifier (logistic regression, cross-validated over participants) learns to tell
    them by sharpness, spectrum, the model's detector and volumes, each alone and together: after
    the translation, and before it, from the T1ce. OUT, a TSV, says how well it does: an AUC of 0.5
    is chance. At least five participants must have images of each kind.
    """
    from clinica_t1nce.datasets.provenance import find_origins
    from clinica_t1nce.errors import T1nceError
    from clinica_t1nce.evaluation.audit import audit, check_numbers
    from clinica_t1nce.files import tsv
    from clinica_t1nce.files.text import write_text

    with working():
        try:
            origins = find_origins(dataset.absolute(), _name(model))
            stages = STAGES if all(origin.source for origin in origins) else (AFTER,)
            known = _read_volumes(volumes)
            _check_volumes(volumes, known, origins, stages)
        except (T1nceError, ValueError) as error:
            raise WrongUsageError(str(error)) from error
        synthetic = [origin.synthetic for origin in origins]
        participants = [origin.visit.subject for origin in origins]
        try:
            check_numbers(synthetic, participants)
        except T1nceError as error:
            raise OneLineError(f"{dataset}: {error}") from error
        probability = _detector(model, device) if detector else None
        rows, found = [], {}
        for stage in stages:
            paths = [_path(origin, stage) for origin in origins]
            features = [
                _measure(path, probability) | known.get((*_visit(origin), stage), {})
                for origin, path in zip(origins, paths, strict=True)
            ]
            found[stage] = audit(features, synthetic, participants)
            rows += [_row(stage, name, result) for name, result in found[stage].items()]
        write_text(out, tsv.text(rows, COLUMNS))
    for row in rows:
        click.echo("\t".join(str(row[column]) for column in COLUMNS))
    click.echo(_summary(found))
    click.echo(f"Table: {out}")


def _name(model: str) -> str | None:
    """Name the model whose images are looked for; None: the only one."""
    if model == "default":
        return None
    if not model.endswith((".safetensors", ".json")):
        return model
    from clinica_t1nce.models.storage import load_generator

    return load_generator(model)[1].name


def _path(origin: "Origin", stage: str) -> Path:
    if stage == AFTER:
        return origin.image
    assert origin.source is not None
    return origin.source


def _visit(origin: "Origin") -> tuple[str, str]:
    return origin.visit.subject, origin.visit.session


def _measure(path: Path, probability: Any) -> Features:
    from clinica_t1nce.evaluation.audit import measure_image
    from clinica_t1nce.files import nifti

    image = nifti.load(path)
    features = measure_image(image.data)
    if probability is not None:
        features["detector"] = {"logit": probability(image)}
    return features


def _detector(model: str, device: "Device") -> Any:
    from clinica_t1nce.synthesis.synthesizer import Synthesizer
    from clinica_t1nce.translation.classification import require_detector

    synthesizer = Synthesizer.load(model, device)
    require_detector(synthesizer.card, synthesizer.card.calibration.get("gadolinium"))

    def logit(image: Any) -> float:
        found = synthesizer(image.data, image.affine).gadolinium
        assert found is not None, "the model has a detector"
        bounded = min(max(found, 1e-6), 1 - 1e-6)
        return math.log(bounded / (1 - bounded))

    return logit


def _read_volumes(path: Path | None) -> Mapping[tuple[str, str, str], Features]:
    """Read the volumes of each image, by participant, session and stage."""
    from clinica_t1nce.files import tsv

    known: dict[tuple[str, str, str], Features] = {}
    for row in [] if path is None else tsv.read(path, ["participant_id", "session_id"]):
        key = (row.pop("participant_id"), row.pop("session_id"), row.pop("stage", AFTER))
        label = f"{path}: {' '.join(key)}"
        if key[2] not in STAGES:
            raise ValueError(f"{label}: the stage is neither {' nor '.join(STAGES)}; write one")
        try:
            found = {name: float(value) for name, value in row.items()}
        except ValueError as error:
            raise ValueError(f"{label}: {error}; write numbers") from error
        if not found or not all(map(math.isfinite, found.values())):
            raise ValueError(f"{label}: a volume is missing or not finite; write numbers")
        known[key] = {"volumes": found}
    return known


def _check_volumes(
    path: Path | None,
    known: Mapping[tuple[str, str, str], Features],
    origins: "Sequence[Origin]",
    stages: Sequence[str],
) -> None:
    """Refuse a table that would be left out, as it says nothing of some image."""
    from clinica_t1nce.errors import some

    if path is None:
        return
    given = {stage for _, _, stage in known} or {AFTER}
    for stage in [stage for stage in stages if stage in given]:
        missing = [" ".join(_visit(o)) for o in origins if (*_visit(o), stage) not in known]
        if missing:
            raise ValueError(
                f"{path}: no volumes of {some(missing)} {stage} the translation; every image, "
                "acquired ones too, needs a row"
            )


def _row(stage: str, name: str, found: "Separability") -> dict[str, Any]:
    numbers = {key: f"{getattr(found, key):.3f}" for key in COLUMNS[4:]}
    counts = {key: getattr(found, key) for key in COLUMNS[2:4]}
    return {"stage": stage, "features": name, **counts, **numbers}


def _summary(found: "Mapping[str, Mapping[str, Separability]]") -> str:
    from clinica_t1nce.evaluation.audit import ALL

    said = [
        f"{stage} the translation {results[ALL].auc:.2f} "
        f"[{results[ALL].low:.2f}, {results[ALL].high:.2f}]"
        for stage, results in _ordered(found)
    ]
    return (
        f"AUC of a classifier of acquired and synthetic images: {', '.join(said)}; 0.5 is chance."
    )


def _ordered(found: "Mapping[str, Any]") -> Sequence[tuple[str, Any]]:
    return [(stage, found[stage]) for stage in (BEFORE, AFTER) if stage in found]
