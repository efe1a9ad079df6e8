"""``clinica-t1nce train``."""

import sys
from pathlib import Path
from typing import Any

import click


class Widths(click.ParamType):
    """Comma-separated numbers of channels."""

    name = "N,N,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Turn ``16,32,64`` into numbers."""
        try:
            widths = tuple(int(width) for width in value.split(","))
        except ValueError:
            widths = ()
        if not widths or min(widths) < 1:
            self.fail(f"{value!r} is not a list of positive numbers such as 16,32,64", param, ctx)
        return widths


def _multiple_of_16(ctx: click.Context, param: click.Parameter, value: int) -> int:
    if value < 16 or value % 16:
        raise click.BadParameter(f"{value} is not a multiple of 16, as the networks need")
    return value


@click.command("train")
@click.argument("label_maps", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", default="change-unet-mine", show_default=True, help="Name of the weights.")
@click.option("--preset", default="change-unet", show_default=True, help="Network and its input.")
@click.option("--widths", type=Widths(), help="Channels of the network's levels.")
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=4000,
    show_default=True,
    help="Optimiser steps in all.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=1e-3,
    show_default=True,
    help="Learning rate at its highest.",
)
@click.option(
    "--enhancing-weight",
    type=click.FloatRange(min=0),
    default=4.0,
    show_default=True,
    help="How much more enhancing voxels count in the loss: more removes more, and dims a T1nce.",
)
@click.option(
    "--patch",
    default=64,
    show_default=True,
    callback=_multiple_of_16,
    help="Side of the patches in voxels, a multiple of 16.",
)
@click.option(
    "--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Patches a step."
)
@click.option(
    "--precision",
    type=click.Choice(["32-true", "bf16-mixed"]),
    default="32-true",
    show_default=True,
    help="bf16-mixed is several times faster where the processor has it.",
)
@click.option("--init", help="Weights to start from: a shipped name or a file.")
@click.option("--seed", default=0, show_default=True, help="Of weights and pairs.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Processes that simulate.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Of the training process.")
@click.option(
    "--save-every",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Steps between checkpoints.",
)
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
    settings = Settings(
        name=options["name"],
        optimisation=Optimisation(
            steps=options["steps"],
            rate=options["rate"],
            enhancing_weight=options["enhancing_weight"],
        ),
        preset=options["preset"],
        widths=options["widths"],
        patch=options["patch"],
        batch=options["batch"],
        precision=options["precision"],
        init=options["init"],
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
        command=_command(label_maps, output),
    )
    click.echo(f"weights: {weights}")


def _command(label_maps: Path, output: Path) -> str:
    """Repeat what was typed, without the folders of this machine: a card travels."""
    stand_ins = {str(label_maps): "LABEL_MAPS", str(output): "OUTPUT"}
    return " ".join(["clinica-t1nce", *(stand_ins.get(word, word) for word in sys.argv[1:])])
