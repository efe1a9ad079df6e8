"""What memory, disk and precision a training needs, before it starts."""

from pathlib import Path

import torch
from torch import nn

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.files import atomic
from clinica_t1nce.models import registry
from clinica_t1nce.models.cards import Card
from clinica_t1nce.training.settings import Settings

_FLOAT = 4
_STATE = 3
"""Copies of the weights in a checkpoint: themselves and Adam's two moments."""


def check_settings(card: Card, settings: Settings, device: torch.device, output: Path) -> None:
    """Refuse to start what would break down on its way, or does not fit.

    Gradients of Res-U-Net in bfloat16 are now and then infinite on a CPU (PyTorch 2.13); one such
    step spoils the weights. Memory is estimated from below: weights, gradients, Adam's moments and
    a running average, and what each layer gives for the way back; on disk, checkpoint and weights
    while old ones are being replaced. Nothing is computed for that: PyTorch's meta device only
    knows shapes.

    Parameters
    ----------
    card
        Card of the weights to be.
    settings
        Settings of the run.
    device
        Device that trains.
    output
        Folder of the run.

    Raises
    ------
    TrainingError
        If the precision breaks down, or a step needs more memory than is free.
    WeightsError
        If the network cannot be built.
    ImageError
        If it does not take volumes of the card's grid, or of the settings' patches.
    OutputError
        If the disk has no room for checkpoints.
    """
    if (
        device.type == "cpu"
        and settings.precision.startswith("bf16")
        and card.architecture == "res-unet"
    ):
        raise TrainingError(
            f"{card.architecture} with --precision {settings.precision}: on a CPU its gradients "
            "are now and then not finite; take --precision 32-true, or a GPU"
        )
    weights, activations = _measure_network(card, settings)
    copies = 2 + 2 + (settings.optimisation.average > 0)
    bytes_each = _FLOAT if settings.precision == "32-true" else _FLOAT // 2
    needs = (copies * weights * _FLOAT + settings.batch * activations * bytes_each) / 1e9
    free = available(device)
    if free is not None and needs > free:
        raise TrainingError(
            f"{card.architecture}, batch {settings.batch}: a step needs at least {needs:.1f} GB of "
            f"memory, {free:.1f} GB are free on '{device}'; lower --batch and raise --accumulate, "
            "take --precision bf16-mixed, or a lighter --architecture"
        )
    atomic.check_space(output, (2 * _STATE + 2) * weights * _FLOAT, "checkpoints")


def _measure_network(card: Card, settings: Settings) -> tuple[int, int]:
    """Count a network's weights, and the numbers that its layers give for one input."""
    given: list[int] = []

    def count(module: nn.Module, inputs: object, output: object) -> None:
        inplace = getattr(module, "inplace", False)
        if isinstance(output, torch.Tensor) and not inplace and not any(module.children()):
            given.append(output.numel())

    with torch.device("meta"):
        network = registry.build(card.architecture, **card.hyperparameters)
        for module in network.modules():
            module.register_forward_hook(count)
        network(torch.empty(1, 1, *(card.grid or (settings.patch,) * 3)))
    return sum(parameter.numel() for parameter in network.parameters()), sum(given)


def available(device: torch.device) -> float | None:
    """Return the GB that are free, or None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 1e9
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 / 1e9
    return None
