"""``clinica-t1nce average-weights``."""

from pathlib import Path

import click

from clinica_t1nce.cli.convert_weights import check_free, safetensors_path


@click.command("average-weights")
@click.argument("weights", nargs=-1, required=True)
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), callback=safetensors_path)
@click.option("--name", help="Name of the mean.  [default: that of OUT]")
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
def cli(weights: tuple[str, ...], out: Path, name: str | None, overwrite: bool) -> None:
    """Write the mean of two or more WEIGHTS that were trained on from the same ones.

    Each of WEIGHTS is the name of weights that come with the package, or a .safetensors file.
    OUT is the .safetensors file to be written, its card beside it. Calibrate it afterwards.
    """
    from clinica_t1nce.models.averaging import average

    check_free(out, overwrite)
    average(weights, out, name)
    click.echo(f"weights: {out}")
