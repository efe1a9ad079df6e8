"""``clinica-t1nce detect``."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clinica_t1nce.pipelines.command import (
    WrongUsageError,
    checking,
    click_options,
    n_procs_option,
    working,
)

if TYPE_CHECKING:
    from clinica_t1nce.errors import SelectionError
    from clinica_t1nce.translation.options import Device


@click.command("detect")
@click.argument(
    "sources", metavar="FILE...|BIDS|CAPS", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TSV file to write, of FILE or BIDS; shown if not given. Of CAPS, the table is in CAPS.",
)
@click_options(click.option, "model", "device", "bids_directory", "agent_words")
@click.option(
    "-tsv",
    "--subjects_sessions_tsv",
    "tsv",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TSV file with the columns participant_id and session_id: the only visits to look at.",
)
@n_procs_option
@click.option(
    "--overwrite", is_flag=True, help="Classify images again that were classified before."
)
def cli(sources: tuple[Path, ...], output: Path | None, **options: Any) -> None:
    """Say of T1w whether they show gadolinium, whatever their names say.

    FILE is a NIfTI image or a folder of them, BIDS a data set: they are looked at as `clinica-t1nce
    translate` does, before t1-linear. Of CAPS, the crops of t1-linear are read. A TSV gets a row
    for each, with the probability that gadolinium was given, and flags those that contradict the
    metadata; that of CAPS is CAPS/gadolinium.tsv, by which `clinica run t1-synth-nce CAPS --select
    image` selects. For CAPS, the same command, given again, looks at what is new.

    Exit code: 0 if every image was classified, 1 if one was not, or could not be compared with its
    metadata, 2 if nothing was begun.
    """
    if len(sources) == 1 and (sources[0] / "subjects").is_dir():
        if output is not None:
            raise WrongUsageError(f"-o {output}: of a CAPS, the table is in the CAPS")
        if options["agent_words"] is not None and options["bids_directory"] is None:
            raise WrongUsageError(
                "--agent-words is for words in the metadata of a BIDS: name it with "
                "--bids-directory"
            )
        _detect_in_caps(sources[0].absolute(), **options)
        return
    if options["bids_directory"] is not None or options["tsv"] is not None or options["overwrite"]:
        raise WrongUsageError("--bids-directory, -tsv and --overwrite are for a CAPS")
    from clinica_t1nce.files import atomic
    from clinica_t1nce.files.text import table_text, write_text
    from clinica_t1nce.pipelines.resumable import check_model
    from clinica_t1nce.pipelines.single_images import COLUMNS, classify, find_t1w
    from clinica_t1nce.translation import classification

    with checking():
        if output is not None:
            atomic.check_writable(output.parent)
        found, undecided = find_t1w(sources, options["agent_words"])
        weights = check_model(options["model"], options["device"])
        classification.require_detector(weights.card, weights.card.calibration.get("gadolinium"))
    _warn_of(undecided, len(found))
    with working():
        rows, failures = classify(found, weights, options["n_procs"])
        text = table_text(rows, COLUMNS)
        if output is None:
            click.echo(text, nl=False)
        else:
            write_text(output, text)
    for failure in failures:
        click.echo(f"Error: {failure}", err=True)
    for line in _describe(undecided):
        click.echo(line, err=True)
    if failures or undecided:
        sys.exit(1)


def _warn_of(undecided: "Mapping[Path, SelectionError]", n_images: int) -> None:
    if undecided:
        click.echo(
            f"Warning: the metadata of {len(undecided)} of {n_images} images cannot be compared; "
            "see below",
            err=True,
        )


def _describe(undecided: "Mapping[Path, SelectionError]") -> Iterator[str]:
    """List metadata that cannot be compared, and the words in them that are not known."""
    from clinica_t1nce.bids.contrast_agents import describe_unknown

    if not undecided:
        return
    yield f"metadata that cannot be compared  {len(undecided)}"
    yield from (f"  {error}" for error in undecided.values())
    yield from filter(None, [describe_unknown(undecided.values())])


def _detect_in_caps(
    caps: Path,
    model: str,
    device: "Device",
    bids_directory: Path | None,
    agent_words: Path | None,
    tsv: Path | None,
    n_procs: int,
    overwrite: bool,
) -> None:
    from clinica_t1nce.bids.contrast_agents import read_words
    from clinica_t1nce.bids.t1w_images import Dataset
    from clinica_t1nce.caps import description, selection
    from clinica_t1nce.pipelines.clinica_quirks import move_nipype_log
    from clinica_t1nce.pipelines.detection import Detection
    from clinica_t1nce.pipelines.resumable import check_model
    from clinica_t1nce.translation import classification

    move_nipype_log(None)
    # The name would only be written by a pipeline; here, none is.
    description.require_caps(caps, name="any")
    bids = (
        None
        if bids_directory is None
        else Dataset(bids_directory.absolute(), read_words(agent_words))
    )
    crops = selection.candidates(selection.SelectionRequest(caps, tsv=tsv, dataset=bids))
    weights = check_model(model, device)
    undecided = selection.find_undecided(crops, bids)
    _warn_of(undecided, len(crops))
    detection = Detection(caps, crops, weights, again=overwrite)
    with working():
        found = detection.run(n_procs)
    failures = detection.failures
    rows = classification.rewrite_table(caps, crops, weights.card.name, weights.card.sha256, bids)
    contradictions = [row for row in rows if row["contradiction"]]
    click.echo(f"T1ce    {sum(row['image'] == 'T1ce' for row in rows)}")
    click.echo(f"T1nce   {sum(row['image'] == 'T1nce' for row in rows)}")
    click.echo(f"failed  {len(failures)}")
    for reason in failures.values():
        click.echo(f"  {reason}")
    click.echo(f"contradictions with the metadata  {len(contradictions)}")
    for row in contradictions:
        click.echo(
            f"  {row['participant_id']} {row['session_id']}: {row['contradiction']} "
            f"(probability {row['probability']})"
        )
    for line in _describe(undecided):
        click.echo(line)
    click.echo(f"Table: {caps / classification.NAME}")
    if failures or undecided or len(found) < len(crops):
        sys.exit(1)
