"""How much memory a training needs, before it starts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.models import registry

_FLOAT = 4


def needed(
    architecture: str,
    hyperparameters: dict[str, Any],
    shape: Sequence[int],
    batch: int,
    *,
    copies: int = 4,
    half: bool = False,
) -> float:
    """Estimate from below the GB that a step takes.

    Counted are weights, gradients and Adam's moments, and what each layer gives for the way back;
    not counted is what libraries use beside.

    Parameters
    ----------
    architecture, hyperparameters
        As :func:`clinica_t1nce.models.registry.build` takes them.
    shape
        D, H, W of the network's input.
    batch
        Pairs.
    copies
        Of the weights: 4, and one for a running average.
    half
        Whether layers give 16-bit numbers.
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
    weights = sum(parameter.numel() for parameter in network.parameters())
    activations = batch * sum(given) * (_FLOAT // 2 if half else _FLOAT)
    return (copies * weights * _FLOAT + activations) / 1e9


def available(device: torch.device) -> float | None:
    """Give the GB that are free, or None where the system does not say."""
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


def check(needs: float, device: torch.device, what: str) -> None:
    """Refuse to start what does not fit.

    Raises
    ------
    TrainingError
        Saying what is needed and what is there.
    """
    free = available(device)
    if free is not None and needs > free:
        raise TrainingError(
            f"{what}: a step needs at least {needs:.1f} GB of memory, {free:.1f} GB are free on "
            f"'{device}'; lower --batch and raise --accumulate, take --precision bf16-mixed, or a "
            "lighter --architecture"
        )
