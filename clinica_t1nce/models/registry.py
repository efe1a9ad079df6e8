"""The networks by name, and the settings they are trained and run with."""

from collections.abc import Mapping
from copy import deepcopy
from importlib import import_module
from typing import TYPE_CHECKING, Any

from clinica_t1nce.errors import WeightsError

if TYPE_CHECKING:
    from torch import nn

ARCHITECTURES: dict[str, str] = {
    "att-unet": "clinica_t1nce.models.att_unet:AttUNet",
    "change-unet": "clinica_t1nce.models.change_unet:ChangeUNet",
}
"""Name on a card to ``module:class``; the module is imported when the network is built."""

# A head is about symmetric from left to right: its mirror image is as likely a head.
_LEFT_RIGHT = [[], [0]]

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "att-unet": {
        "architecture": "att-unet",
        "hyperparameters": {"widths": [64, 128, 256, 512, 1024]},
        "input": {"grid": [128, 128, 128], "scaling": {"method": "min-max"}},
        "output": "image",
        "inference": {"mirrors": [[]], "memory_gb": 6},
    },
    "att-unet-light": {
        "architecture": "att-unet",
        "hyperparameters": {"widths": [16, 32, 64, 128, 256]},
        "input": {"grid": [128, 128, 128], "scaling": {"method": "min-max"}},
        "output": "image",
        "inference": {"mirrors": [[]], "memory_gb": 2},
    },
    "change-unet": {
        "architecture": "change-unet",
        "hyperparameters": {"widths": [16, 32, 64], "blocks": 1},
        "input": {
            "grid": None,
            "multiple": 8,
            "scaling": {"method": "percentile", "percentile": 70.0, "floor": 0.02},
        },
        "output": "change",
        "inference": {"mirrors": _LEFT_RIGHT, "memory_gb": 1},
    },
    "change-unet-deep": {
        "architecture": "change-unet",
        "hyperparameters": {
            "widths": [16, 32, 64, 128],
            "blocks": [1, 2, 2, 2],
            "quantiles": [0.25, 0.5, 0.75],
        },
        "input": {
            "grid": None,
            "multiple": 16,
            "scaling": {"method": "percentile", "percentile": 70.0, "floor": 0.02},
        },
        "output": "change",
        "inference": {"mirrors": _LEFT_RIGHT, "memory_gb": 1},
    },
}
"""What a training starts from: the fields of a :class:`~clinica_t1nce.models.cards.Card` that
say how the network is built and fed. ``att-unet`` is the paper's."""


def preset(name: str) -> dict[str, Any]:
    """Give one of :data:`PRESETS`, to be changed at will.

    Raises
    ------
    WeightsError
        If no preset has this name.
    """
    if name not in PRESETS:
        raise WeightsError(f"unknown preset {name!r}; known: {', '.join(sorted(PRESETS))}")
    return deepcopy(dict(PRESETS[name]))


def build(architecture: str, **hyperparameters: Any) -> "nn.Module":
    """Build a network with its initial, random weights.

    Parameters
    ----------
    architecture
        A key of :data:`ARCHITECTURES`.
    **hyperparameters
        Keyword arguments of the network's class.

    Raises
    ------
    WeightsError
        If the architecture is unknown or does not take these hyper-parameters.
    """
    if architecture not in ARCHITECTURES:
        raise WeightsError(
            f"unknown architecture {architecture!r}; known: {', '.join(sorted(ARCHITECTURES))}"
        )
    module, _, name = ARCHITECTURES[architecture].partition(":")
    try:
        network: nn.Module = getattr(import_module(module), name)(**hyperparameters)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"architecture {architecture!r} cannot be built with {hyperparameters}: {reason}"
        ) from error
    return network
