"""``clinica-t1nce detect``."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clinica_t1nce.pipelines.command import click_options, working

if TYPE_CHECKING:
    from clinica_t1nce.translation.options import Device


@click.command("detect")
@click.argument("caps", type=click.Path(file_okay=False, path_type=Path))
@click_options(click.option, "model", "device", "bids_directory", "agent_words")
@click.option(
    "-tsv",
    "--subjects_sessions_tsv",
    "tsv",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TSV file with the columns participant_id and session_id: the only visits to look at.",
)
@click.option(
    "-np",
    "--n_procs",
    type=click.IntRange(min=1),
    default=lambda: max(1, (os.cpu_count() or 2) - 1),
    show_default="cores minus one",
    help="Number of cores.",
)
@click.option(
    "--overwrite", is_flag=True, help="Classify images again that were classified before."
)
def cli(
    caps: Path,
    model: str,
    device: "Device",
    bids_directory: Path | None,
    agent_words: Path | None,
    tsv: Path | None,
    n_procs: int,
    overwrite: bool,
) -> None:
    """Say of each T1w in CAPS whether it shows gadolinium, whatever its name says.

    Reads the crops of t1-linear. CAPS/gadolinium.tsv gets a row for each, with the probability
    that gadolinium was given, and flags those that contradict the metadata. `clinica run
    t1-synth-nce CAPS --select image` selects by it. The same command, given again, looks at what
    is new.

    Exit code: 0 if every image was classified, 1 if one was not, or could not be compared.
    """
    from clinica_t1nce.bids.contrast_agents import NO_WORDS, describe_unknown, read_words
    from clinica_t1nce.bids.t1w_images import Dataset
    from clinica_t1nce.caps import description, selection
    from clinica_t1nce.pipelines.clinica_quirks import move_nipype_log
    from clinica_t1nce.pipelines.detection import Detection
    from clinica_t1nce.pipelines.resumable import check_model
    from clinica_t1nce.translation import classification

    move_nipype_log(None)
    caps = caps.absolute()
    # The name would only be written by a pipeline; here, none is.
    description.check(caps, name="any")
    words = NO_WORDS if agent_words is None else read_words(agent_words)
    bids = None if bids_directory is None else Dataset(bids_directory.absolute(), words)
    crops = selection.candidates(selection.Request(caps, tsv=tsv, dataset=bids))
    weights = check_model(model, device)
    undecided = selection.find_undecided(crops, bids)
    if undecided:
        click.echo(
            f"Warning: the metadata of {len(undecided)} of {len(crops)} images cannot be compared; "
            "see below",
            err=True,
        )
    detection = Detection(caps, crops, weights, again=overwrite)
    with working():
        found = detection.run(n_procs)
    failures = detection.failures
    rows = classification.rewrite(caps, crops, weights.card.name, weights.card.sha256, bids)
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
    if undecided:
        click.echo(f"metadata that cannot be compared  {len(undecided)}")
        for error in undecided.values():
            click.echo(f"  {error}")
        unknown = describe_unknown(undecided.values())
        if unknown:
            click.echo(unknown)
    click.echo(f"Table: {caps / classification.NAME}")
    if failures or undecided or len(found) < len(crops):
        sys.exit(1)
