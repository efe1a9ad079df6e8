"""``clinica-t1nce homogenise``."""

import sys
from pathlib import Path
from typing import Any

import click

from clinica_t1nce.pipelines.command import click_options


@click.command("homogenise")
@click.argument("caps", type=click.Path(file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--bids-directory",
    "bids",
    type=click.Path(file_okay=False, path_type=Path),
    help="The BIDS that t1-linear read, if it is not where CAPS says.",
)
@click.option(
    "--model",
    metavar="NAME|FILE",
    help="The weights, as t1-synth-nce takes them, if CAPS holds images of several.",
)
@click.option(
    "--space",
    type=click.Choice(["mni-crop", "mni", "native"]),
    default="mni-crop",
    show_default=True,
    help="Which images: t1-linear's crops, its uncropped images, or the raw images' grids.",
)
@click.option(
    "--include-t1nce",
    is_flag=True,
    help="Take what the generator made of the T1nce rather than these (t1-synth-nce "
    "--include-t1nce): all images are equally smooth then.",
)
@click.option(
    "-tsv",
    "--choices",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TSV file with the columns participant_id, session_id and filename: the image to take "
    "where a session has several.",
)
@click_options(click.option, "agent_words")
@click.option("--copy", is_flag=True, help="Copy the files rather than link them.")
@click.option(
    "--caps-output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also make, or add to, a CAPS with exactly one crop of t1-linear a session, of the same "
    "images, for pipelines and ClinicaDL that read crops.",
)
@click.option("--overwrite", is_flag=True, help="Put images there again that are there already.")
def cli(**options: Any) -> None:
    """Make OUT, a BIDS data set with exactly one T1nce a session, from CAPS.

    CAPS holds the images of t1-linear and of t1-synth-nce. A session's image is its acquired
    T1nce if it has one, else the synthetic one; of several of one kind, that of the latest run.
    OUT/t1nce.tsv says which is which. Where CAPS was made from a view of `clinica-t1nce
    separate`, OUT has the sessions of the data set that was separated. The same command, given
    again, adds what is new and touches nothing else.

    Exit code: 0 if every session with a T1w has its image, 1 if one has not, 2 for wrong usage.
    """
    from clinica_t1nce.datasets.homogenisation import homogenise
    from clinica_t1nce.datasets.homogenisation_report import summarise
    from clinica_t1nce.datasets.homogenisation_request import HomogenisationRequest

    if options["model"] is not None:
        from clinica_t1nce.models.storage import find_name

        options["model"] = find_name(options["model"])
    request = HomogenisationRequest(**options)
    report = homogenise(request)
    for line in summarise(report, request):
        click.echo(line)
    if not report.is_whole:
        sys.exit(1)
