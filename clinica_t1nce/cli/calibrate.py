"""``clinica-t1nce calibrate``."""

from pathlib import Path

import click


@click.command("calibrate")
@click.argument("weights", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("label_maps", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--heads",
    type=click.IntRange(min=12),
    default=60,
    show_default=True,
    help="Heads to simulate; a third is kept to report on.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for prepared label maps, such as heads/ of a training. Default: heads/ beside "
    "WEIGHTS.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of PyTorch.")
def cli(
    weights: Path, label_maps: Path, heads: int, cache: Path | None, threads: int | None
) -> None:
    """Let WEIGHTS tell whether gadolinium was given, and how sure they are.

    Simulates whole heads from LABEL_MAPS with and without gadolinium, and writes what was learnt
    from them on the card beside WEIGHTS (a .safetensors file), with the quantile of the enhancement
    that came nearest to it. The weights stay as they are.
    """
    import json
    import logging

    import torch

    from clinica_t1nce.training.calibration import calibrate

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if threads is not None:
        torch.set_num_threads(threads)
    found = calibrate(weights, label_maps, cache or weights.parent / "heads", heads)
    click.echo(json.dumps(found, indent=2))
