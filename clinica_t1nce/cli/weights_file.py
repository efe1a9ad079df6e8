"""Checks of the file that a command is to write weights to."""

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
