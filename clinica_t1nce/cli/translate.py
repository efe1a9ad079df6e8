"""``clinica-t1nce translate``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clinica_t1nce.pipelines.command import click_options, n_procs_option, working

if TYPE_CHECKING:
    from clinica_t1nce.translation.options import Device


@click.command("translate")
@click.argument(
    "sources", metavar="IN...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT",
    type=click.Path(path_type=Path),
    help="The T1nce (.nii or .nii.gz), or the folder for those of several images.",
)
@click_options(click.option, "model", "device")
@click.option(
    "--save-enhancement",
    is_flag=True,
    help="Also write what was removed (T1ce - T1nce).",
)
@click.option("--report", is_flag=True, help="Also write an HTML page that shows each image.")
@n_procs_option
@click.option("--overwrite", is_flag=True, help="Replace outputs that are there already.")
def cli(
    sources: tuple[Path, ...],
    output: Path,
    model: str,
    device: "Device",
    save_enhancement: bool,
    report: bool,
    n_procs: int,
    overwrite: bool,
) -> None:
    """Translate T1ce, NIfTI files or folders of them, without a CAPS.

    IN is a T1w after gadolinium of any orientation, with voxels of 0.3 to 6.5 mm, whole head or
    skull-stripped; the network sees it in MNI space, as after t1-linear. OUT keeps its grid,
    header and type, and its voxels where nothing is removed. A JSON of the same name says what was
    done. Of a folder, the .nii and .nii.gz directly in it are taken.

    Exit code: 0 if every image was translated, 1 if one was not, 2 if nothing was begun.
    """
    from clinica_t1nce.errors import T1nceError
    from clinica_t1nce.pipelines.command import WrongUsageError
    from clinica_t1nce.pipelines.resumable import check_model
    from clinica_t1nce.pipelines.single_images import each, share_cores, translator
    from clinica_t1nce.translation import single_files

    several = len(sources) > 1 or sources[0].is_dir()
    try:
        found = single_files.find_sources(sources)
        jobs = single_files.plan_files(
            found,
            output,
            is_folder=several and not output.name.endswith(single_files.EXTENSIONS),
            save_enhancement=save_enhancement,
            report=report,
            overwrite=overwrite,
        )
        chosen = check_model(model, device)
    except T1nceError as error:
        raise WrongUsageError(str(error)) from error
    n_failed = 0
    with working():
        n_processes, n_threads = share_cores(len(jobs), n_procs, chosen)
        for job, content, failure in each(translator(chosen, n_threads), jobs, n_processes):
            if content is None:
                n_failed += 1
                click.echo(f"Error: {failure}", err=True)
            else:
                click.echo(_describe_result(job.image, content))
    if n_failed:
        if len(jobs) > 1:
            click.echo(f"Error: {n_failed} of {len(jobs)} images failed", err=True)
        sys.exit(1)


def _describe_result(image: Path, content: dict[str, Any]) -> str:
    told = [
        f"{word} {content[key]:.2f}"
        for key, word in (("GadoliniumProbability", "gadolinium"), ("Confidence", "confidence"))
        if key in content
    ]
    told.append(f"{content['DurationSeconds']:.0f} s")
    lines = [f"{image}  ({', '.join(told)})"]
    lines += [f"  {flag['Text']}" for flag in content["Flags"]]
    return "\n".join(lines)
