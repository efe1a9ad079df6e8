"""``clinica-t1nce convert-weights``, ``average-weights`` and ``export-bundle``."""

from pathlib import Path

import click


def _safetensors_path(ctx: click.Context, param: click.Parameter, value: Path) -> Path:
    """Take a path that ends in .safetensors."""
    if value.suffix != ".safetensors":
        raise click.BadParameter(f"{value} does not end in .safetensors")
    return value


def _check_free(out: Path, overwrite: bool) -> None:
    """Refuse to replace weights or their card, unless asked to."""
    from clinica_t1nce.errors import OutputError

    for path in (out, out.with_suffix(".json")):
        if path.exists() and not overwrite:
            raise OutputError(f"{path}: exists; give another name, or --overwrite")


@click.command("convert-weights")
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), callback=_safetensors_path)
@click.option("--name", help="Name of the weights.  [default: that of OUT]")
@click.option(
    "--batch-statistics",
    is_flag=True,
    help="Let batch norm take the statistics of each image, as the authors' own figures were made.",
)
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
def convert_weights(
    checkpoint: Path, out: Path, name: str | None, batch_statistics: bool, overwrite: bool
) -> None:
    """Turn a checkpoint of the authors' public code into weights that this package takes.

    CHECKPOINT is a checkpoint.pth.tar or model_best.pth.tar of a generator or a discriminator.
    OUT is the .safetensors file to be written; a card, OUT with .json, is written beside it.
    Every tensor is checked, and nothing is written if one does not fit.
    """
    import logging

    from clinica_t1nce.models.conversion import convert

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    _check_free(out, overwrite)
    card = convert(checkpoint, out, name=name, batch_statistics=batch_statistics)
    click.echo(f"{card.architecture}, {card.hyperparameters}")
    click.echo(f"weights: {out}")


@click.command("average-weights")
@click.argument("weights", nargs=-1, required=True)
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), callback=_safetensors_path)
@click.option("--name", help="Name of the mean.  [default: that of OUT]")
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
def average_weights(weights: tuple[str, ...], out: Path, name: str | None, overwrite: bool) -> None:
    """Write the mean of two or more WEIGHTS that were trained on from the same ones.

    Each of WEIGHTS is the name of weights that come with the package, or a .safetensors file.
    OUT is the .safetensors file to be written, its card beside it. Calibrate it afterwards.
    """
    from clinica_t1nce.models.averaging import average

    _check_free(out, overwrite)
    average(weights, out, name)
    click.echo(f"weights: {out}")


@click.command("export-bundle")
@click.argument("model")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
def export_bundle(model: str, out: Path) -> None:
    """Write the weights MODEL as OUT, a MONAI bundle and Hugging Face repository.

    MODEL is the name of weights that come with the package, default, or a .safetensors file. The
    network is written as TorchScript, which runs without this package.
    """
    from clinica_t1nce.pipelines.bundle import export

    for path in export(model, out):
        click.echo(path)
