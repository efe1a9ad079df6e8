"""What memory, disk and precision a training needs, before it starts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.models import registry

_FLOAT = 4
_STATE = 3
"""Copies of the weights in a checkpoint: themselves and Adam's two moments."""


class Size(NamedTuple):
    """Numbers of a network's weights, and of what its layers give for one input."""

    weights: int
    activations: int


def size_of(architecture: str, hyperparameters: dict[str, Any], shape: Sequence[int]) -> Size:
    """Count a network's weights, and what its layers give for one input.

    Nothing is computed: PyTorch's meta device only knows shapes.

    Parameters
    ----------
    architecture, hyperparameters
        Arguments of :func:`clinica_t1nce.models.registry.build`.
    shape
        Shape of the network's input, D, H, W.

    Raises
    ------
    WeightsError
        If the network cannot be built.
    ImageError
        If it does not take such an input.
    """
    given: list[int] = []

    def count(module: nn.Module, inputs: object, output: object) -> None:
        inplace = getattr(module, "inplace", False)
        if isinstance(output, torch.Tensor) and not inplace and not any(module.children()):
            given.append(output.numel())

    with torch.device("meta"):
        network = registry.build(architecture, **hyperparameters)
        for module in network.modules():
            module.register_forward_hook(count)
        network(torch.empty(1, 1, *shape))
    return Size(sum(parameter.numel() for parameter in network.parameters()), sum(given))


def memory_gb(size: Size, batch: int, *, averaged: bool = False, half: bool = False) -> float:
    """Estimate from below the GB that a step takes.

    Counted are weights, gradients, Adam's moments and a running average, and what each layer gives
    for the way back; not counted is what libraries use beside.

    Parameters
    ----------
    size
        Size of the network, for one input.
    batch
        Number of pairs.
    averaged
        Whether there is a running average of the weights.
    half
        Whether layers give 16-bit numbers.

    Examples
    --------
    >>> memory_gb(Size(weights=10**9, activations=10**9), batch=2)
    24.0
    """
    copies = 2 + 2 + averaged
    activations = batch * size.activations * (_FLOAT // 2 if half else _FLOAT)
    return (copies * size.weights * _FLOAT + activations) / 1e9


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


def check_memory(needs: float, device: torch.device, what: str) -> None:
    """Raise TrainingError unless a device has the GB that `what` needs."""
    free = available(device)
    if free is not None and needs > free:
        raise TrainingError(
            f"{what}: a step needs at least {needs:.1f} GB of memory, {free:.1f} GB are free on "
            f"'{device}'; lower --batch and raise --accumulate, take --precision bf16-mixed, or a "
            "lighter --architecture"
        )


def check_precision(architecture: str, precision: str, device: torch.device) -> None:
    """Refuse to start what would break down on its way.

    Gradients of Res-U-Net in bfloat16 are now and then infinite on a CPU (PyTorch 2.13); one such
    step spoils the weights.

    Parameters
    ----------
    architecture
        Key of :data:`clinica_t1nce.models.registry.ARCHITECTURES`.
    precision
        Precision as Lightning's trainer takes it.
    device
        Device that trains.

    Raises
    ------
    TrainingError
        If it would; the message says what to take.
    """
    if device.type == "cpu" and precision.startswith("bf16") and architecture == "res-unet":
        raise TrainingError(
            f"{architecture} with --precision {precision}: on a CPU its gradients are now and then "
            "not finite; take --precision 32-true, or a GPU"
        )


def checkpoint_bytes(size: Size) -> int:
    """Return the bytes of checkpoint and weights, while an old checkpoint is being replaced."""
    return (2 * _STATE + 2) * size.weights * _FLOAT
