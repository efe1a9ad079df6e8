"""Command line of ``clinica run t1-synth-nce``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from clinica import option
from clinica.pipelines import cli_param

from clinica_t1nce.pipelines.clinica_log import TidyCommand, move_nipype_log
from clinica_t1nce.pipelines.command import (
    checking,
    count,
    read_plugin,
    save_details,
    working,
)

if TYPE_CHECKING:
    from clinica_t1nce.datasets.homogenisation import Request
    from clinica_t1nce.pipelines.t1_synth_nce.outcome import Outcome
    from clinica_t1nce.pipelines.t1_synth_nce.pipeline import T1SynthNce

pipeline_name = "t1-synth-nce"

MOST_WARNINGS = 10
"""Images that are warned of one by one; the table has them all."""


@click.command(name=pipeline_name, cls=TidyCommand)
@cli_param.argument.caps_directory
@cli_param.option_group.pipeline_specific_options
@cli_param.option_group.option(
    "--model",
    default="default",
    show_default=True,
    metavar="NAME|FILE",
    help="Model: the name of weights that come with clinica-t1nce, or a .safetensors file with "
    "its .json card beside it.",
)
@cli_param.option_group.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the network runs; auto takes a CUDA GPU if there is one.",
)
@cli_param.option_group.custom_pipeline_options("Input", help="Which images are taken for T1ce")
@cli_param.option_group.option(
    "--select",
    type=click.Choice(["metadata", "tsv", "all", "image"]),
    help="What makes an image a T1ce: metadata, the BIDS entity ce- and, with --bids-directory, "
    "the contrast agent in sidecar or scans.tsv; tsv, being listed by -tsv; all, being there; "
    "image, what it shows (as `clinica-t1nce detect`).  [default: tsv with -tsv, else metadata]",
)
@cli_param.option_group.option(
    "--include-t1nce",
    is_flag=True,
    help="Take the other images, too: all go through the same generator then, so that how smooth "
    "an image is does not tell which ones had gadolinium.",
)
@cli_param.option_group.option(
    "--bids-directory",
    type=click.Path(file_okay=False),
    help="The BIDS that t1-linear read: needed for --output-space native, used by --select.",
)
@cli_param.option_group.option(
    "--agent-words",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TSV file with the columns word and meaning (given, none or nothing): what words for the "
    "contrast agent, in the metadata of the BIDS, mean that are not known.",
)
@cli_param.option_group.custom_pipeline_options("Output", help="What is written, and where")
@cli_param.option_group.option(
    "--output-space",
    "output_spaces",
    type=click.Choice(["mni-crop", "mni", "native"]),
    multiple=True,
    default=["mni-crop"],
    show_default=True,
    help="Grid of the T1nce: mni-crop, that of t1-linear's crop; mni, that of its whole image; "
    "native, that of the raw image, whose values and resolution stay where nothing is removed. "
    "May be given several times.",
)
@cli_param.option_group.option(
    "--blend",
    type=click.Choice(["change", "replace"]),
    default="replace",
    show_default=True,
    help="Of models that predict whole images: replace takes the image as it is, with the blur of "
    "its grid; change takes from the T1ce what the model changed. The native space always takes "
    "the change.",
)
@cli_param.option_group.option(
    "--save-enhancement",
    is_flag=True,
    help="Also write what was removed (T1ce - T1nce) and a mask of the vessels in it.",
)
@cli_param.option_group.option(
    "--bids-output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Make, or add to, a BIDS data set with exactly one T1nce a session, acquired or "
    "synthetic, on the first grid of --output-space, for all further pipelines of Clinica (see "
    "`clinica-t1nce homogenise`).",
)
@cli_param.option_group.option(
    "--no-report",
    "report",
    flag_value=False,
    default=True,
    help="Write no HTML page an image, and no index of them (in t1_synth_nce_report/).",
)
@cli_param.option_group.common_pipelines_options
@cli_param.option.subjects_sessions_tsv
@cli_param.option.working_directory
@cli_param.option.overwrite_outputs
@option.global_option_group
@option.n_procs
@cli_param.option.caps_name
@cli_param.option_group.advanced_pipeline_options
@cli_param.option_group.option(
    "--nipype-plugin",
    metavar="NAME",
    help="Execution plug-in of Nipype, for clusters: SLURM, SGE, PBS, HTCondor... "
    "(needs -wd on a disk that all machines share; -np is then the least number of jobs).",
)
@cli_param.option_group.option(
    "--nipype-plugin-args",
    metavar="JSON|FILE",
    help="Arguments of that plug-in: a JSON object, or a file that holds one, "
    """for example '{"sbatch_args": "--mem=8G --time=2:00:00"}'.""",
)
def cli(
    caps_directory: str,
    bids_output: Path | None = None,
    subjects_sessions_tsv: str | None = None,
    working_directory: str | None = None,
    overwrite_outputs: bool = False,
    n_procs: int = 1,
    caps_name: str | None = None,
    nipype_plugin: str | None = None,
    nipype_plugin_args: str | None = None,
    **parameters: Any,
) -> None:
    """Synthetic non-contrast T1w images (T1nce) from contrast-enhanced ones (T1ce).

    CAPS_DIRECTORY holds the crops of `clinica run t1-linear`. Those with the BIDS entity ce- in
    their names are taken, or, with -tsv, those of exactly the visits listed; --select knows other
    ways. The synthetic images go to subjects/<sub>/<ses>/t1_synth_nce/model-<name>/. Images that
    are there already are skipped: to go on after an interruption, run the same command again.
    Beside them, t1_synth_nce_report/report.html lists all images, the least confident first, with
    a page each to look at.

    Exit code: 0 if every image asked for is there, 1 if one failed, 2 for wrong usage.
    """
    from clinica_t1nce.pipelines.t1_synth_nce.pipeline import T1SynthNce

    move_nipype_log(Path(working_directory) if working_directory else None)
    plugin, plugin_args = read_plugin(nipype_plugin, nipype_plugin_args, working_directory)
    homogenised = None
    if bids_output is not None:
        homogenised = _check_bids_output(Path(caps_directory), bids_output, parameters)
    with checking():
        pipeline = T1SynthNce(
            caps_directory=caps_directory,
            tsv_file=subjects_sessions_tsv,
            overwrite_caps=overwrite_outputs,
            base_dir=working_directory,
            parameters={**parameters, "n_procs": n_procs},
            name=pipeline_name,
            caps_name=caps_name,
        )
    _announce(pipeline, plugin, n_procs)
    with working():
        pipeline.run(plugin=plugin, plugin_args={**plugin_args, "n_procs": n_procs})
    _summarise(pipeline, Path(working_directory) if working_directory else None)
    whole = homogenised is None or _homogenise(pipeline, homogenised)
    if not whole or any(outcome.status == "failed" for outcome in pipeline.outcomes):
        raise click.exceptions.Exit(1)


def _announce(pipeline: "T1SynthNce", plugin: str | None, n_procs: int) -> None:
    how = f"Nipype's {plugin}"
    if plugin is None:
        n_processes, n_threads = pipeline.plan(n_procs)
        how = f"{count(n_processes, 'process', 'es')} of {count(n_threads, 'thread')}"
    click.echo(
        f"{count(pipeline.n_selected, 'T1ce image')} in {pipeline.caps_directory}, "
        f"{pipeline.n_to_do} to do; model {pipeline.card.name} on {pipeline.device}, {how}"
    )
    if pipeline.outdated:
        click.echo(
            f"Warning: {len(pipeline.outdated)} of those done already were made by other weights "
            f"of the name {pipeline.card.name}; --overwrite_outputs makes them again",
            err=True,
        )


def _summarise(pipeline: "T1SynthNce", details_folder: Path | None) -> None:
    groups: dict[str, list[Outcome]] = {"done": [], "skipped": [], "failed": []}
    for outcome in pipeline.outcomes:
        groups[outcome.status].append(outcome)
    warned = [outcome for outcome in pipeline.outcomes if outcome.warning]
    for outcome in warned[:MOST_WARNINGS]:
        click.echo(f"Warning: {outcome.crop.path}: {outcome.warning}", err=True)
    if len(warned) > MOST_WARNINGS:
        click.echo(
            f"Warning: and {len(warned) - MOST_WARNINGS} images more; see the column flag of the "
            "table",
            err=True,
        )
    done, skipped, failed = (len(group) for group in groups.values())
    again = " (--overwrite_outputs makes them again)" if skipped else ""
    click.echo(f"done     {done}")
    click.echo(f"skipped  {skipped}{again}")
    click.echo(f"failed   {failed}")
    for outcome in groups["failed"]:
        click.echo(f"  {outcome.crop.visit}: {outcome.reason}")
    if pipeline.unknown_words:
        click.echo(pipeline.unknown_words)
    details = dict.fromkeys(outcome.details for outcome in groups["failed"] if outcome.details)
    if details:
        path = save_details(pipeline_name, "\n\n".join(filter(None, details)), details_folder)
        click.echo(f"Details of what nobody expected: {path}")
    click.echo(f"Table of all images: {pipeline.caps_directory / 't1_synth_nce.tsv'}")
    if pipeline.report:
        click.echo(f"Pages to look at: {pipeline.report}")
    for line in pipeline.report_failures:
        click.echo(f"Warning: report: {line}", err=True)


def _check_bids_output(caps: Path, out: Path, parameters: dict[str, Any]) -> "Request":
    """Ask for a homogenised data set of the first of the spaces, if there can be one."""
    from clinica_t1nce.datasets.homogenisation import Request, prepare

    bids, (space, *_) = parameters["bids_directory"], parameters["output_spaces"]
    request = Request(
        caps,
        out,
        None if bids is None else Path(bids),
        space=space,
        include_t1nce=parameters["include_t1nce"],
        agent_words=parameters["agent_words"],
    )
    with checking():
        prepare(request)
    return request


def _homogenise(pipeline: "T1SynthNce", request: "Request") -> bool:
    """Make the homogenised data set; say whether every session has its image."""
    from clinica_t1nce.datasets.homogenisation import describe, homogenise

    with working():
        report = homogenise(replace(request, model=pipeline.card.name))
    for line in describe(report, request.out):
        click.echo(line)
    return not report.missing and not report.failed


if __name__ == "__main__":
    cli()
