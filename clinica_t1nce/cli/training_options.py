"""Options of every training."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

POSITIVE = click.FloatRange(min=0, min_open=True)
COUNT = click.IntRange(min=1)

SOURCES = ("real", "simulated", "t1nce")
"""Names of the sources of pairs in ``--mix``."""


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


class Parts(click.ParamType):
    """Pairs of each source in a round: ``real=2,simulated=1``."""

    name = "SOURCE=N,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, int]:
        """Turn ``real=2,simulated=1`` into numbers by name."""
        if isinstance(value, dict):
            return value
        parts = {}
        for word in value.split(","):
            name, _, number = word.partition("=")
            if name not in SOURCES or not number.isdigit() or int(number) < 1:
                self.fail(f"{word!r} is not one of {', '.join(SOURCES)} with =N", param, ctx)
            parts[name] = int(number)
        return parts


def _multiple_of_16(ctx: click.Context, param: click.Parameter, value: int | None) -> int | None:
    if value is not None and (value < 16 or value % 16):
        raise click.BadParameter(f"{value} is not a multiple of 16, as the networks need")
    return value


OPTIONS = (
    click.option("--name", default="mine", show_default=True, help="Name of the weights."),
    click.option(
        "--architecture",
        help="Network: att-unet, res-unet or trans-unet, each also with -light behind it, for "
        "whole volumes; change-unet, change-unet-deep, change-unet-fill or change-unet-fast for "
        "patches.",
    ),
    click.option("--widths", type=Widths(), help="Channels of the network's levels."),
    click.option(
        "--grid",
        type=int,
        callback=_multiple_of_16,
        help="Side of the grid on which a network works that sees whole volumes.",
    ),
    click.option(
        "--patch",
        type=int,
        callback=_multiple_of_16,
        help="Side of the patches in voxels, of networks that see patches.",
    ),
    click.option("--steps", type=COUNT, help="Optimiser steps in all."),
    click.option("--epochs", type=COUNT, help="How often each pair is seen."),
    click.option("--rate", type=POSITIVE, help="Learning rate at its highest."),
    click.option("--batch", type=COUNT, help="Pairs in a batch, in each process."),
    click.option("--accumulate", type=COUNT, help="Batches that make one optimiser step."),
    click.option(
        "--enhancing-weight",
        type=click.FloatRange(min=0),
        help="How much more enhancing voxels count in the loss: more removes more, and dims a "
        "T1nce.",
    ),
    click.option(
        "--robust-scale",
        type=click.FloatRange(min=0),
        help="Real pairs: error, in units of white matter, from which on it counts linearly; 0: "
        "all of it.",
    ),
    click.option(
        "--local-weight",
        "local",
        type=click.FloatRange(min=0),
        help="Real pairs: weight of the error of means over blocks of 3 to 12 voxels.",
    ),
    click.option(
        "--distribution-weight",
        "distribution",
        type=click.FloatRange(min=0),
        help="Real pairs: weight of the error of distributions in blocks of 4 and 8 voxels.",
    ),
    click.option(
        "--t1nce-share",
        type=click.FloatRange(min=0, max=1),
        help="Real pairs: share of patches in which the T1nce is shown, to be left alone.",
    ),
    click.option(
        "--perceptual",
        type=click.FloatRange(min=0),
        help="Weight of 1 - MS-SSIM in the loss.",
    ),
    *(
        click.option(
            f"--{name}-weight",
            name,
            type=click.FloatRange(min=0),
            help=f"Weight of the {name} loss.",
        )
        for name in ("adversarial", "cycle", "identity")
    ),
    click.option(
        "--precision",
        type=click.Choice(["32-true", "bf16-mixed", "16-mixed"]),
        help="bf16-mixed is several times faster where the processor has it.",
    ),
    click.option("--init", help="Weights to start from: a shipped name or a file."),
    click.option(
        "--teacher",
        help="Weights to imitate, a shipped name or a file: a smaller network learns what they "
        "give, from T1ce alone.",
    ),
    click.option(
        "--adversarial",
        "as_cgan",
        is_flag=True,
        help="Train against a discriminator, as the paper's cGANs; needs --init.",
    ),
    click.option(
        "--unpaired",
        "as_cyclegan",
        is_flag=True,
        help="Train a CycleGAN on T1ce and T1nce of different people.",
    ),
    click.option(
        "--discriminator", help="Weights of a trained discriminator; else one is trained."
    ),
    click.option(
        "--discriminator-widths", type=Widths(), help="Channels of a new discriminator's levels."
    ),
    click.option(
        "--discriminator-steps",
        type=COUNT,
        help="Steps of the discriminator alone; a tenth of the training's by default.",
    ),
    click.option("--seed", type=click.IntRange(min=0), help="Seed of first weights and pairs."),
    click.option("--validation-pairs", type=COUNT, help="Pairs to validate on."),
    click.option("--validate-every", type=COUNT, help="Steps between validations."),
    click.option("--patience", type=COUNT, help="Stop after so many validations without gain."),
    click.option("--save-every", type=COUNT, help="Steps between checkpoints."),
    click.option(
        "--samples-every",
        type=click.IntRange(min=0),
        help="Validations between pictures of samples; 0: none.",
    ),
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="auto",
        show_default=True,
        help="Where to train; auto takes a CUDA GPU if there is one.",
    ),
    click.option(
        "--devices", type=COUNT, default=1, show_default=True, help="GPUs (processes) a machine."
    ),
    click.option("--num-nodes", type=COUNT, default=1, show_default=True, help="Machines."),
    click.option(
        "--strategy",
        default="auto",
        show_default=True,
        help="How processes share the work, as Lightning names it; auto: ddp.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=0),
        default=1,
        show_default=True,
        help="Processes that make pairs, for each that trains.",
    ),
    click.option("--threads", type=COUNT, help="Threads of PyTorch in each process that trains."),
)
"""What both commands take. Without a default here, the preset decides."""


def shared_options(preset: str | None) -> Callable[[Command], Command]:
    """Give a command the options of every training, and its own preset."""

    def decorate(command: Command) -> Command:
        choice = click.option(
            "--preset",
            default=preset,
            show_default=preset or "paper; change with --label-maps alone; mixed with both",
            type=click.Choice(["paper", "change", "mixed"]),
            help="Settings to start from: the paper's, those of simulated patches, or those of "
            "this package's weights.",
        )
        for option in reversed((choice, *OPTIONS)):
            command = option(command)
        return command

    return decorate
