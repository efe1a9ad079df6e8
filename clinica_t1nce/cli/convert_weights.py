"""``clinica-t1nce convert-weights``."""

from pathlib import Path

import click


def safetensors_path(ctx: click.Context, param: click.Parameter, value: Path) -> Path:
    """Take a path that ends in .safetensors."""
    if value.suffix != ".safetensors":
        raise click.BadParameter(f"{value} does not end in .safetensors")
    return value


def check_free(out: Path, overwrite: bool) -> None:
    """Refuse to replace weights or their card, unless asked to.

    Raises
    ------
    OutputError
        If one of the two is there.
    """
    from clinica_t1nce.errors import OutputError

    for path in (out, out.with_suffix(".json")):
        if path.exists() and not overwrite:
            raise OutputError(f"{path}: exists; give another name, or --overwrite")


@click.command("convert-weights")
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), callback=safetensors_path)
@click.option("--name", help="Name of the weights.  [default: that of OUT]")
@click.option(
    "--batch-statistics",
    is_flag=True,
    help="Let batch norm take the statistics of each image, as the authors' own figures were made.",
)
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
def cli(
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
    check_free(out, overwrite)
    card = convert(checkpoint, out, name=name, batch_statistics=batch_statistics)
    click.echo(f"{card.architecture}, {card.hyperparameters}")
    click.echo(f"weights: {out}")
