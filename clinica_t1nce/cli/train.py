"""``clinica-t1nce train`` and ``clinica-t1nce train-simulated``: one training, two sources."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from clinica_t1nce.training.data.sources import Data

Command = TypeVar("Command", bound=Callable[..., Any])

POSITIVE = click.FloatRange(min=0, min_open=True)
COUNT = click.IntRange(min=1)

MACHINE = ("device", "devices", "num_nodes", "strategy", "workers", "threads")
"""Options that say where it runs, and not what comes out."""


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


def _multiple_of_16(ctx: click.Context, param: click.Parameter, value: int | None) -> int | None:
    if value is not None and (value < 16 or value % 16):
        raise click.BadParameter(f"{value} is not a multiple of 16, as the networks need")
    return value


OPTIONS = (
    click.option("--name", default="mine", show_default=True, help="Name of the weights."),
    click.option(
        "--architecture",
        help="Network: att-unet, res-unet or trans-unet, each also with -light behind it, for "
        "whole volumes; change-unet or change-unet-deep for patches.",
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


def shared_options(preset: str) -> Callable[[Command], Command]:
    """Give a command the options of every training, and its own preset."""

    def decorate(command: Command) -> Command:
        choice = click.option(
            "--preset",
            default=preset,
            show_default=True,
            type=click.Choice(["paper", "change"]),
            help="Settings to start from: the paper's, or those of this package's weights.",
        )
        for option in reversed((choice, *OPTIONS)):
            command = option(command)
        return command

    return decorate


@click.command("train")
@click.argument("caps", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("pairs_tsv", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
@click.option("--fold", type=click.IntRange(min=0), help="Validate on this fold of the table.")
@click.option("--low-quality", is_flag=True, help="Train on pairs of low quality, too.")
@click.option(
    "--augment", is_flag=True, default=None, help="Vary the pairs at random, both images alike."
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for prepared volumes, which several trainings may share.",
)
@shared_options("paper")
def cli(
    caps: Path,
    pairs_tsv: Path,
    output: Path,
    fold: int | None,
    low_quality: bool,
    cache: Path | None,
    **options: Any,
) -> None:
    """Train a generator on the real T1ce/T1nce pairs of a CAPS.

    PAIRS_TSV has the columns participant_id, session_id_t1nce and session_id_t1ce, and may have
    split, fold (see `clinica-t1nce split`) and quality. OUTPUT receives checkpoints, metrics,
    pictures and the weights with their card, which work at once with `--model`. The same command,
    given again after an interruption, goes on from the last checkpoint.
    """
    from clinica_t1nce.bids import pairs
    from clinica_t1nce.caps.pair_images import find_images
    from clinica_t1nce.training.data.sources import RealPairs
    from clinica_t1nce.training.data.volume_pairs import PairFiles

    options["method"] = _method(options)
    paired = options["method"] != "unpaired"
    rows = pairs.read_table(pairs_tsv, unpaired=not paired).rows
    divided = pairs.divide(rows, pairs_tsv, fold, low_quality=low_quality)
    wanted = [*divided[pairs.TRAIN], *divided[pairs.VALIDATION]]
    files = [
        PairFiles(str(found.row), found.t1ce, found.t1nce)
        for found in find_images(caps, wanted, pairs_tsv)
    ]
    n_training = len(divided[pairs.TRAIN])
    data = RealPairs(files[:n_training], files[n_training:], cache, paired)
    _train(data, output, options)


@click.command("train-simulated")
@click.argument("label_maps", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--pairs",
    type=COUNT,
    help="Simulate so many whole heads once, for networks that see whole volumes; without it, new "
    "ones without end.",
)
@shared_options("change")
def simulated(label_maps: Path, output: Path, pairs: int | None, **options: Any) -> None:
    """Train a generator on T1ce/T1nce pairs simulated from LABEL_MAPS.

    LABEL_MAPS is a folder of whole-head label maps (*_dseg.nii.gz, 1 mm). OUTPUT receives
    checkpoints, metrics, pictures and the weights with their card, which work at once with
    `--model`. The same command, given again after an interruption, goes on from the last
    checkpoint.
    """
    from clinica_t1nce.training.data.sources import LabelMaps

    options["method"] = _method(options)
    _train(LabelMaps(label_maps, pairs), output, options)


def _method(options: dict[str, Any]) -> str:
    adversarial, unpaired = options.pop("as_cgan"), options.pop("as_cyclegan")
    if adversarial and unpaired:
        raise click.UsageError(
            "--adversarial trains on pairs, --unpaired without them: give one of the two"
        )
    return "adversarial" if adversarial else "unpaired" if unpaired else "supervised"


def _train(data: "Data", output: Path, options: dict[str, Any]) -> None:
    import logging

    from lightning.pytorch.utilities import rank_zero_only

    from clinica_t1nce.training.fit import Machine
    from clinica_t1nce.training.run import train
    from clinica_t1nce.training.settings import from_preset

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    machine = Machine(**{name: options.pop(name) for name in MACHINE})
    settings = from_preset(options.pop("preset"), **options)
    weights = train(data, output, settings, machine, command=_command())
    rank_zero_only(click.echo)(f"weights: {weights}")


def _command() -> str:
    """Repeat what was typed, without the folders of this machine: a card travels."""
    return " ".join(["clinica-t1nce", *(Path(word).name for word in sys.argv[1:])])
