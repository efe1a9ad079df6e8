"""``clinica-t1nce audit``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clinica_t1nce.pipelines.command import (
    OneLineError,
    WrongUsageError,
    checking,
    click_options,
    working,
)

if TYPE_CHECKING:
    from clinica_t1nce.bids.t1w_images import Dataset
    from clinica_t1nce.datasets.provenance import FoundImages
    from clinica_t1nce.evaluation.audit import Separability
    from clinica_t1nce.translation.options import Device

COLUMNS = ("stage", "features", "n_acquired", "n_synthetic", "auc", "low", "high", "accuracy")


@click.command("audit")
@click.argument("dataset", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click_options(click.option, "model", "device")
@click.option(
    "--bids-directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="The BIDS that t1-linear read, if it is not where the CAPS says.",
)
@click_options(click.option, "agent_words")
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
    bids_directory: Path | None,
    agent_words: Path | None,
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
    from clinica_t1nce.errors import SelectionError
    from clinica_t1nce.files.text import table_text, write_text
    from clinica_t1nce.pipelines import auditing

    with checking():
        root = dataset.absolute()
        bids = _find_bids(root, bids_directory, agent_words)
        found_images = find_origins(root, auditing.find_name(model), bids)
        origins = found_images.images
        known = {} if volumes is None else auditing.read_volumes(volumes, origins)
    for warning in _warnings(found_images):
        click.echo(f"Warning: {warning}", err=True)
    with working():
        try:
            found = auditing.measure_separability(origins, model, device, known, detector=detector)
        except SelectionError as error:
            raise OneLineError(f"{dataset}: {error}") from error
        rows = [
            _table_row(stage, name, result)
            for stage, results in found.items()
            for name, result in results.items()
        ]
        write_text(out, table_text(rows, COLUMNS))
    for row in rows:
        click.echo("\t".join(row[column] for column in COLUMNS))
    click.echo(_summary(found))
    click.echo(f"Table: {out}")


def _find_bids(
    root: Path, bids_directory: Path | None, agent_words: Path | None
) -> "Dataset | None":
    """Open the BIDS that t1-linear read, to tell the T1ce of a CAPS as `homogenise` does."""
    from clinica_t1nce.datasets.source_bids import open_bids

    if not (root / "subjects").is_dir():
        if bids_directory is not None or agent_words is not None:
            raise WrongUsageError("--bids-directory and --agent-words are for a CAPS")
        return None
    return open_bids(root, bids_directory, agent_words)


def _warnings(found: "FoundImages") -> Iterator[str]:
    from clinica_t1nce.bids.contrast_agents import describe_unknown
    from clinica_t1nce.pipelines.auditing import why_not_before

    if found.n_left_out:
        yield (
            f"{found.n_left_out} of {found.n_left_out + len(found.images)} images are left out: "
            "T1ce without a T1nce of this model, T1nce that have not gone through the generator "
            "where others have, or images whose metadata are not understood"
        )
    yield from map(str, found.failed.values())
    yield from filter(None, [describe_unknown(found.failed.values()), why_not_before(found.images)])


def _table_row(stage: str, name: str, found: "Separability") -> dict[str, str]:
    numbers = {key: f"{getattr(found, key):.3f}" for key in COLUMNS[4:]}
    counts = {key: str(getattr(found, key)) for key in COLUMNS[2:4]}
    return {"stage": stage, "features": name, **counts, **numbers}


def _summary(found: "Mapping[str, Mapping[str, Separability]]") -> str:
    from clinica_t1nce.evaluation.audit import ALL
    from clinica_t1nce.pipelines.auditing import STAGES

    said = [
        f"{stage} the translation {results[ALL].auc:.2f} "
        f"[{results[ALL].low:.2f}, {results[ALL].high:.2f}]"
        for stage in reversed(STAGES)
        if (results := found.get(stage))
    ]
    return (
        f"AUC of a classifier of acquired and synthetic images: {', '.join(said)}; 0.5 is chance."
    )
