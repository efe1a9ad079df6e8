"""``clinica-t1nce separate``."""

import sys
from pathlib import Path

import click

from clinica_t1nce.pipelines.command import click_options


@click.command("separate")
@click.argument("bids", type=click.Path(file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--label",
    default="ce",
    show_default=True,
    help="Put behind the session's label to name the session of its T1ce: ses-M000 -> ses-M000ce.",
)
@click.option("--copy", is_flag=True, help="Copy the files rather than link them.")
@click.option(
    "-tsv",
    "--choices",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TSV file with the columns participant_id, session_id and filename: the T1w to take where "
    "a visit has several of one kind. A column contrast (T1ce or T1nce) overrules the metadata.",
)
@click_options(click.option, "agent_words")
def cli(
    bids: Path,
    out: Path,
    label: str,
    copy: bool,
    choices: Path | None,
    agent_words: Path | None,
) -> None:
    """Make OUT, a view of BIDS in which each session has one T1w at most.

    A visit that holds both images becomes two sessions: ses-X with the T1nce and everything that
    is no T1w, ses-Xce with the T1ce. A T1ce is known by the entity ce- in its name, by
    ContrastBolusIngredient or ContrastBolusAgent in its sidecar or, of these names, in scans.tsv;
    in OUT, the names of all T1ce have ce-. Of several T1w of one kind in a visit, that of the
    thinnest slices is taken, then that of the latest run. BIDS itself is not touched. The same
    command, given again, adds what is new.

    OUT/contrast.tsv says what became of each T1w, OUT/pairs.tsv lists the visits with both.

    Exit code: 0 if every visit is in OUT, 1 if the metadata of one cannot be read or are not
    understood, 2 for wrong usage.
    """
    from clinica_t1nce.bids.contrast_agents import describe_unknown
    from clinica_t1nce.datasets import outputs, separation

    view = separation.plan_view(bids, label=label, choices=choices, words=agent_words)
    separation.check_view(view, out, bids)
    n_new = outputs.make_files(out, view.files, copy=copy)
    visits = view.visits
    n_visits = sum(visits.values()) + len(view.failed)
    click.echo(
        f"{n_visits} visits: {visits['both']} with both images, {visits['T1nce']} with "
        f"a T1nce, {visits['T1ce']} with a T1ce, {visits['none']} without T1w"
        + (f", {len(view.failed)} failed" if view.failed else "")
    )
    if view.n_left_out:
        click.echo(
            f"{view.n_left_out} T1w left out in favour of others of their visit: "
            f"see {out / separation.CONTRAST_TSV}, overrule with -tsv"
        )
    click.echo(f"{n_new} files made in {out}, {len(view.files) - n_new} there already")
    for visit, error in view.failed.items():
        click.echo(f"  {visit}: {error}")
    unknown = describe_unknown(view.failed.values())
    if unknown:
        click.echo(unknown)
    click.echo(f"Next: clinica run t1-linear {out} CAPS")
    if view.failed:
        sys.exit(1)
