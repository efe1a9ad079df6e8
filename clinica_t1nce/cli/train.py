"""``clinica-t1nce train``."""

import sys
from pathlib import Path
from typing import Any

import click


@click.command("train")
@click.argument("label_maps", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", default="change-unet-mine", show_default=True, help="Name of the weights.")
@click.option("--preset", default="change-unet", show_default=True, help="Network and its input.")
@click.option(
    "--widths", metavar="N,N,...", help="Channels of the network's levels, instead of the preset's."
)
@click.option("--steps", default=4000, show_default=True, help="Optimiser steps in all.")
@click.option("--rate", default=1e-3, show_default=True, help="Learning rate at its highest.")
@click.option("--patch", default=64, show_default=True, help="Side of the patches in voxels.")
@click.option("--batch", default=1, show_default=True, help="Patches a step.")
@click.option("--seed", default=0, show_default=True, help="Of weights and pairs.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option("--workers", default=1, show_default=True, help="Processes that simulate.")
@click.option("--threads", type=int, help="Of the training process.")
@click.option("--save-every", default=100, show_default=True, help="Steps between checkpoints.")
def cli(label_maps: Path, output: Path, **options: Any) -> None:
    """Train a generator on T1ce/T1nce pairs simulated from LABEL_MAPS.

    LABEL_MAPS is a folder of whole-head label maps (*_dseg.nii.gz, 1 mm). OUTPUT receives
    checkpoints, metrics and the weights with their card. The same command, given again after an
    interruption, goes on from the last checkpoint.
    """
    import logging

    from clinica_t1nce.training.module import Optimisation
    from clinica_t1nce.training.run import Settings, train_on_label_maps

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    widths = options["widths"]
    settings = Settings(
        name=options["name"],
        optimisation=Optimisation(steps=options["steps"], rate=options["rate"]),
        preset=options["preset"],
        widths=tuple(int(w) for w in widths.split(",")) if widths else None,
        patch=options["patch"],
        batch=options["batch"],
        seed=options["seed"],
        save_every=options["save_every"],
    )
    weights = train_on_label_maps(
        label_maps,
        output,
        settings,
        device=options["device"],
        workers=options["workers"],
        threads=options["threads"],
        command="clinica-t1nce " + " ".join(sys.argv[1:]),
    )
    click.echo(f"weights: {weights}")
