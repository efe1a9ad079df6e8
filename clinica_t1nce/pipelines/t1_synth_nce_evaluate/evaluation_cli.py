"""Command line of ``clinica run t1-synth-nce-evaluate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from clinica import option
from clinica.pipelines import cli_param

from clinica_t1nce.bids.pairs import SPLITS
from clinica_t1nce.evaluation.structures import (
    ATROPOS,
    LABELS,
    MAPS,
    OWN,
    PATTERNS,
    Structures,
    VolumeMethod,
    read_structures,
    structures_of,
)
from clinica_t1nce.pipelines.clinica_quirks import TidyCommand, move_nipype_log
from clinica_t1nce.pipelines.command import WrongUsageError, checking, count, read_plugin, working
from clinica_t1nce.workflows.evaluation import BOTH_MASKS, Align, BrainMethod, Protocol

if TYPE_CHECKING:
    from clinica_t1nce.bids.pairs import Split

pipeline_name = "t1-synth-nce-evaluate"

SEGMENTATIONS = (ATROPOS, OWN, "spm", "none")


@click.command(name=pipeline_name, cls=TidyCommand)
# Not Clinica's own, which refuses a CAPS that cannot be written to: this one is only read.
@click.argument("caps_directory", type=click.Path(file_okay=False, resolve_path=True))
@click.argument("pairs_tsv", type=click.Path(exists=True, dir_okay=False))
@click.argument("output_dir", type=click.Path(file_okay=False))
@cli_param.option_group.pipeline_specific_options
@cli_param.option_group.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|FILE",
    help="Evaluate the outputs of these weights only (again for more). Default: of every model "
    "that has outputs in the CAPS.",
)
@cli_param.option_group.option(
    "--split",
    type=click.Choice([*reversed(SPLITS), "all"]),
    default="test",
    show_default=True,
    help="If PAIRS_TSV has the column split: the rows to evaluate.",
)
@cli_param.option_group.option(
    "--brain-mask",
    default="deepbet",
    show_default=True,
    metavar="|".join((*get_args(BrainMethod), "PATTERN")),
    help="Where the brain is. PATTERN: files of your own, below the CAPS or absolute, in which "
    "{participant_id}, {session_id}, {image} (T1ce or T1nce), {source} (the crop's name without "
    "_T1w.nii.gz) and * stand for the pair's. Images that are skull-stripped already are their "
    "own mask. hd-bet, the paper's, must be installed with its weights.",
)
@cli_param.option_group.option(
    "--align",
    type=click.Choice(get_args(Align)),
    default="rigid",
    show_default=True,
    help="Bring the T1nce to the T1ce, which t1-linear has registered each on its own. What can "
    "be measured without alignment, the paper's way, is measured as well.",
)
@cli_param.option_group.option(
    "--protocol",
    type=click.Choice(get_args(Protocol)),
    default="standard",
    show_default=True,
    help="authors: add MAE, PSNR and SSIM as the code of the paper's authors computes them.",
)
@cli_param.option_group.option(
    "--segmentation",
    "segmentations",
    multiple=True,
    default=(ATROPOS, OWN),
    show_default=True,
    metavar="|".join((*SEGMENTATIONS, "labels:PATTERN", "TOOL:PATTERN|DIR")),
    help="Where tissue volumes come from (again for more): N4 and Atropos (a minute or more an "
    "image) in the brain of both images, or in each image's own; the maps of "
    "`t1-volume-tissue-segmentation` in the CAPS of --spm-caps; label maps of your own, by a "
    "pattern as for --brain-mask in which {image} is T1nce, T1ce or a model's name. TOOL is "
    f"{', '.join(PATTERNS)}: its files, by a pattern or in a folder.",
)
@cli_param.option_group.option(
    "--spm-caps",
    multiple=True,
    metavar="IMAGE=DIR",
    help="With --segmentation spm: the CAPS that holds the maps of the T1nce, the T1ce and of "
    "each model's images; one option each, for example --spm-caps T1ce=caps_original.",
)
@cli_param.option_group.option(
    "--priors",
    nargs=3,
    type=click.Path(exists=True, dir_okay=False),
    metavar="GM WM CSF",
    help="With --segmentation atropos: probability maps on the grid of t1-linear's crops, instead "
    "of the MNI152 template's.",
)
@cli_param.option_group.option(
    "--structures",
    metavar="TOOL|TSV",
    help="With labels:PATTERN: the structures of a tool's label maps, or a BIDS table with the "
    "columns index and name of the structures to measure. Default: 1 GM, 2 WM, 3 CSF.",
)
@cli_param.option_group.option(
    "--noise-floor",
    is_flag=True,
    help="With --segmentation atropos: segment each T1nce twice more, moved by 0.5 mm and with a "
    "gain of ±10 %, to tell what of the differences is the segmentation's own.",
)
@cli_param.option_group.common_pipelines_options
@cli_param.option.working_directory
@click.option(
    "-overwrite",
    "--overwrite_outputs",
    is_flag=True,
    help="Evaluate pairs again that were evaluated already.",
)
@option.global_option_group
@option.n_procs
@cli_param.option_group.advanced_pipeline_options
@cli_param.option_group.option(
    "--nipype-plugin",
    metavar="NAME",
    help="Execution plug-in of Nipype, for clusters (needs -wd and OUTPUT_DIR on a disk that all "
    "machines share).",
)
@cli_param.option_group.option(
    "--nipype-plugin-args",
    metavar="JSON|FILE",
    help="Arguments of that plug-in: a JSON object, or a file that holds one.",
)
def cli(
    caps_directory: str,
    pairs_tsv: str,
    output_dir: str,
    models: tuple[str, ...],
    split: "Split",
    structures: str | None,
    working_directory: str | None,
    overwrite_outputs: bool,
    n_procs: int,
    nipype_plugin: str | None,
    nipype_plugin_args: str | None,
    **options: Any,
) -> None:
    """Compare synthetic T1nce with real ones: the tables and figures of the paper.

    CAPS_DIRECTORY holds the crops of `clinica run t1-linear` and the images of `clinica run
    t1-synth-nce`. PAIRS_TSV has one row a pair of T1nce and T1ce of the same visit, with the
    columns participant_id, session_id_t1nce and session_id_t1ce; a column quality (good, medium,
    low), or contrast, motion and noise (each 0, 1 or 2), divides the pairs into the paper's two
    test sets; of a table with a column split, the rows for the test are evaluated. OUTPUT_DIR gets
    agreement.tsv, similarity.tsv, volumes.tsv, dice.tsv, statistics.tsv, the tables as Markdown
    and LaTeX (tables/), the figures (figures/), report.html and a page a pair.
    Pairs evaluated already are not evaluated again.

    Exit code: 0 if every pair was evaluated, 1 if one was left out, 2 for wrong usage.
    """
    from clinica_t1nce.pipelines.t1_synth_nce_evaluate.evaluation_pipeline import T1SynthNceEvaluate
    from clinica_t1nce.pipelines.t1_synth_nce_evaluate.pair_jobs import EvaluationSettings

    with checking():
        move_nipype_log(Path(working_directory) if working_directory else None)
    plugin, plugin_args = read_plugin(nipype_plugin, nipype_plugin_args, working_directory)
    methods = read_segmentations(options["segmentations"], structures)
    if options["noise_floor"] and ATROPOS not in [method.kind for method in methods]:
        raise WrongUsageError("--noise-floor: only with --segmentation atropos")
    parsed = {
        "segmentations": methods,
        "spm_caps": _spm_folders(options["spm_caps"]),
        "priors": tuple(Path(path).absolute() for path in options["priors"] or ()),
    }
    settings = EvaluationSettings(**{**options, **parsed})
    with checking():
        pipeline = T1SynthNceEvaluate(
            caps_directory=caps_directory,
            pairs_tsv=pairs_tsv,
            output_directory=output_dir,
            overwrite=overwrite_outputs,
            base_dir=working_directory,
            parameters={"models": models, "settings": settings, "split": split},
            name=pipeline_name,
        )
    part = f" (split {split})" if any(job.row.split == split for job in pipeline.jobs) else ""
    click.echo(
        f"{count(len(pipeline.jobs), 'pair')}{part}, {pipeline.n_to_do} to do; "
        f"models: {', '.join(pipeline.models) or 'none'}"
    )
    with working(pipeline):
        pipeline.run(plugin=plugin, plugin_args={"n_procs": n_procs, **plugin_args})
    for table in pipeline.tables.values():
        click.echo(f"\n{table.markdown()}")
    evaluated = [job for job in pipeline.jobs if str(job.row) not in pipeline.failures]
    click.echo(f"evaluated  {len(evaluated)}")
    click.echo(f"left out   {len(pipeline.failures)}")
    for label, reason in pipeline.failures.items():
        click.echo(f"  {label}: {reason}")
    click.echo(f"Report: {pipeline.output_directory / 'report.html'}")
    if pipeline.failures:
        raise click.exceptions.Exit(1)


def _spm_folders(options: tuple[str, ...]) -> dict[str, Path]:
    folders = {}
    for text in options:
        name, separator, folder = text.partition("=")
        if not separator or not Path(folder).is_dir():
            raise WrongUsageError(
                f"--spm-caps {text}: write IMAGE=DIR, with a folder that is there"
            )
        folders[name] = Path(folder).absolute()
    return folders


def read_segmentations(
    texts: tuple[str, ...], structures: str | None = None
) -> tuple[VolumeMethod, ...]:
    """Read the options --segmentation and --structures.

    Parameters
    ----------
    texts
        Values of --segmentation.
    structures
        Value of --structures.

    Raises
    ------
    WrongUsageError
        If one is not understood, given twice, or does not go with the others.
    """
    methods = [_read_segmentation(text, structures) for text in texts if text != "none"]
    names = [method.name for method in methods]
    if len(set(names)) < len(names) or (methods and "none" in texts):
        raise WrongUsageError(f"--segmentation {', '.join(texts)}: give each once, or none alone")
    if structures is not None and not any(text.startswith("labels:") for text in texts):
        raise WrongUsageError("--structures: only with --segmentation labels:PATTERN")
    return tuple(methods)


def _read_segmentation(text: str, structures: str | None) -> VolumeMethod:
    for method in BOTH_MASKS:
        if text == method.name:
            return method
    tool, _, pattern = text.partition(":")
    if text == "spm":
        return VolumeMethod(text, MAPS, structures_of(text))
    if not pattern or tool not in ("labels", *PATTERNS):
        tools = ", ".join(PATTERNS)
        raise WrongUsageError(
            f"--segmentation {text}: write {', '.join(SEGMENTATIONS)}, labels:PATTERN or "
            f"TOOL:PATTERN, where TOOL is {tools}"
        )
    if tool == "labels":
        name = structures if structures in PATTERNS else tool
        return VolumeMethod(name, LABELS, _structures(structures or "spm"), pattern)
    if Path(pattern).is_dir():
        pattern = f"{Path(pattern).absolute()}/{PATTERNS[tool]}"
    maps = tool == "spm" and "{tissue}" in pattern
    return VolumeMethod(tool, MAPS if maps else LABELS, structures_of(tool), pattern)


def _structures(text: str) -> Structures:
    if text in PATTERNS:
        return structures_of(text)
    try:
        return read_structures(Path(text))
    except ValueError as error:
        raise WrongUsageError(
            f"--structures {text}: neither {', '.join(PATTERNS)} nor a table with the columns "
            f"index and name ({error})"
        ) from error


if __name__ == "__main__":
    cli()
