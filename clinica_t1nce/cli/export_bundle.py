"""``clinica-t1nce export-bundle``."""

from pathlib import Path

import click


@click.command("export-bundle")
@click.argument("model")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
def cli(model: str, out: Path) -> None:
    """Write the weights MODEL as OUT, a MONAI bundle and Hugging Face repository.

    MODEL is the name of weights that come with the package, default, or a .safetensors file. The
    network is written as TorchScript, which runs without this package.
    """
    from clinica_t1nce.pipelines.bundle import export

    for path in export(model, out):
        click.echo(path)
