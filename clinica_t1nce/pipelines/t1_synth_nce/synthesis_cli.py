"""Command line of ``clinica run t1-synth-nce``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from clinica import option
from clinica.pipelines import cli_param

from clinica_t1nce.caps import description
from clinica_t1nce.caps.names import MNI_CROP
from clinica_t1nce.caps.selection import none_shows_gadolinium
from clinica_t1nce.caps.sidecar import LACKS
from clinica_t1nce.pipelines.clinica_quirks import TidyCommand, move_nipype_log
from clinica_t1nce.pipelines.command import (
    WrongUsageError,
    checking,
    click_options,
    count,
    read_plugin,
    save_details,
    working,
)
from clinica_t1nce.translation.options import Options

if TYPE_CHECKING:
    from clinica_t1nce.datasets.homogenisation_request import HomogenisationRequest
    from clinica_t1nce.engine.event_log import Event
    from clinica_t1nce.pipelines.t1_synth_nce.synthesis_pipeline import T1SynthNce

pipeline_name = "t1-synth-nce"

MOST_WARNINGS = 10
"""Images that are warned of one by one; the table has them all."""


@click.command(name=pipeline_name, cls=TidyCommand)
@cli_param.argument.caps_directory
@cli_param.option_group.pipeline_specific_options
@click_options(cli_param.option_group.option, *Options.names("Model"))
@cli_param.option_group.custom_pipeline_options("Input", help="Which images are taken for T1ce")
@click_options(cli_param.option_group.option, *Options.names("Input"))
@cli_param.option_group.custom_pipeline_options("Output", help="What is written, and where")
@click_options(cli_param.option_group.option, *Options.names("Output"))
@cli_param.option_group.option(
    "--bids-output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Make, or add to, a BIDS data set with exactly one T1nce a session, acquired or "
    "synthetic, on the first grid of --output-space, for all further pipelines of Clinica (see "
    "`clinica-t1nce homogenise`).",
)
@cli_param.option_group.option(
    "--caps-output",
    type=click.Path(file_okay=False, path_type=Path),
    help="With --bids-output: make, or add to, a CAPS with exactly one crop of t1-linear a session "
    "as well, of the same images.",
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
    caps_output: Path | None = None,
    subjects_sessions_tsv: str | None = None,
    working_directory: str | None = None,
    overwrite_outputs: bool = False,
    n_procs: int = 1,
    caps_name: str | None = None,
    nipype_plugin: str | None = None,
    nipype_plugin_args: str | None = None,
    **chosen: Any,
) -> None:
    """Synthetic non-contrast T1w images (T1nce) from contrast-enhanced ones (T1ce).

    CAPS_DIRECTORY holds the crops of `clinica run t1-linear`. Those with the BIDS entity ce- in
    their names are taken, or, with -tsv, those of exactly the visits listed; --select knows other
    ways. The synthetic images go to subjects/<sub>/<ses>/t1_synth_nce/model-<name>/. Images that
    are there already are skipped: to go on after an interruption, run the same command again.
    Beside them, t1_synth_nce_report/report.html lists all images, the least confident first, with
    a page each to look at.

    Exit code: 0 if every image asked for is there, 1 if one failed (with --bids-output, also if any
    session of the CAPS, listed or not, has no T1nce), 2 for wrong usage.
    """
    from clinica_t1nce.pipelines.t1_synth_nce.synthesis_pipeline import T1SynthNce

    with checking():
        move_nipype_log(Path(working_directory) if working_directory else None)
    plugin, plugin_args = read_plugin(nipype_plugin, nipype_plugin_args, working_directory)
    with checking():
        options = Options(**chosen)
    homogenised = None
    if bids_output is not None and options.shard is not None:
        raise WrongUsageError(
            "--bids-output needs the images of all shards: give it to a last run without --shard"
        )
    if bids_output is not None:
        homogenised = _check_outputs(Path(caps_directory), bids_output, caps_output, options)
    elif caps_output is not None:
        raise WrongUsageError(f"--caps-output {caps_output}: needs --bids-output")
    with checking():
        pipeline = T1SynthNce(
            caps_directory=caps_directory,
            tsv_file=subjects_sessions_tsv,
            overwrite_caps=overwrite_outputs,
            base_dir=working_directory,
            parameters=options,
            name=pipeline_name,
            caps_name=caps_name,
        )
    _announce(pipeline, plugin, n_procs)
    with working(pipeline):
        pipeline.run(plugin=plugin, plugin_args={"n_procs": n_procs, **plugin_args})
    # A shard may hold none of the images that show it.
    if pipeline.n_excluded and not pipeline.outcomes and options.shard is None:
        raise WrongUsageError(none_shows_gadolinium(pipeline.caps_directory, pipeline.n_excluded))
    _summarise(pipeline, Path(working_directory) if working_directory else None)
    whole = homogenised is None or _homogenise(pipeline, homogenised)
    if not whole or any(outcome.status == "failed" for outcome in pipeline.outcomes):
        raise click.exceptions.Exit(1)


def _announce(pipeline: "T1SynthNce", plugin: str | None, n_procs: int) -> None:
    how = f"Nipype's {plugin}"
    if plugin is None:
        n_processes, n_threads = pipeline.plan(n_procs)
        how = f"{count(n_processes, 'process', 'es')} of {count(n_threads, 'thread')}"
    # With --select image, the images are still to tell what they are.
    noun = "image" if pipeline.options.decides_by_image else "T1ce image"
    click.echo(
        f"{count(pipeline.n_selected, noun)} in {pipeline.caps_directory}, "
        f"{pipeline.n_to_do} to do; model {pipeline.card.name} on {pipeline.device}, {how}"
    )
    for lack, number in pipeline.remade.items():
        click.echo(f"{count(number, 'image')} to be made again: {LACKS[lack]}")
    if mixed := description.mixed_versions(pipeline.caps_directory):
        click.echo(f"Warning: {mixed}", err=True)


def _summarise(pipeline: "T1SynthNce", details_folder: Path | None) -> None:
    groups: dict[str, list[Event[Any]]] = {"done": [], "skipped": [], "failed": []}
    for outcome in pipeline.outcomes:
        groups[outcome.status].append(outcome)
    if pipeline.n_excluded:
        click.echo(f"no T1ce  {pipeline.n_excluded} (the images show no gadolinium)")
    warned = [outcome for outcome in pipeline.outcomes if outcome.warning]
    for outcome in warned[:MOST_WARNINGS]:
        click.echo(f"Warning: {outcome.item.path}: {outcome.warning}", err=True)
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
        click.echo(f"  {outcome.item.visit}: {outcome.reason}")
    if pipeline.unknown_words:
        click.echo(pipeline.unknown_words)
    details = dict.fromkeys(outcome.details for outcome in groups["failed"] if outcome.details)
    if details:
        path = save_details(pipeline_name, "\n\n".join(filter(None, details)), details_folder)
        click.echo(f"Details of what nobody expected: {path}")
    if pipeline.options.shard is None:
        click.echo(f"Table of all images: {pipeline.table}")
    else:
        click.echo(f"Table of this shard, for a last run without --shard: {pipeline.table}")
    if pipeline.report:
        click.echo(f"Pages to look at: {pipeline.report}")
    for line in pipeline.report_failures:
        click.echo(f"Warning: report: {line}", err=True)


def _check_outputs(
    caps: Path, out: Path, caps_output: Path | None, options: Options
) -> "HomogenisationRequest":
    """Ask for a homogenised data set of the first of the spaces, if there can be one."""
    from clinica_t1nce.datasets.homogenisation import check_request
    from clinica_t1nce.datasets.homogenisation_request import HomogenisationRequest

    request = HomogenisationRequest(
        caps,
        out,
        options.bids_directory,
        space=options.output_spaces[0],
        include_t1nce=options.include_t1nce,
        agent_words=options.agent_words,
        caps_output=caps_output,
    )
    if caps_output is not None and MNI_CROP not in options.output_spaces:
        raise WrongUsageError(
            f"--caps-output {caps_output}: needs the images on t1-linear's grid; add "
            f"--output-space {MNI_CROP}"
        )
    with checking():
        check_request(request)
    return request


def _homogenise(pipeline: "T1SynthNce", request: "HomogenisationRequest") -> bool:
    """Make the homogenised data set; say whether every session has its image."""
    from clinica_t1nce.datasets.homogenisation import homogenise
    from clinica_t1nce.datasets.homogenisation_report import summarise

    request = replace(request, model=pipeline.card.name, can_lack_synthetic=True)
    with working():
        report = homogenise(request)
    for line in summarise(report, request):
        click.echo(line)
    return report.is_whole


if __name__ == "__main__":
    cli()
