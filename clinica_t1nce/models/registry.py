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
    "patch-discriminator": "clinica_t1nce.models.patch_discriminator:PatchDiscriminator",
    "res-unet": "clinica_t1nce.models.res_unet:ResUNet",
    "trans-unet": "clinica_t1nce.models.trans_unet:TransUNet",
}
"""Name on a card to ``module:class``; the module is imported when the network is built."""

# A head is about symmetric from left to right: its mirror image is as likely a head.
_LEFT_RIGHT = [[], [0]]

_PAPERS_INPUT = {"grid": [128, 128, 128], "scaling": {"method": "min-max"}}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "att-unet": {
        "architecture": "att-unet",
        "hyperparameters": {"widths": [64, 128, 256, 512, 1024]},
        "input": _PAPERS_INPUT,
        "output": "image",
        "inference": {"mirrors": [[]], "memory_gb": 6},
    },
    "att-unet-light": {
        "architecture": "att-unet",
        "hyperparameters": {"widths": [16, 32, 64, 128, 256]},
        "input": _PAPERS_INPUT,
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
        "inference": {"mirrors": _LEFT_RIGHT, "memory_gb": 1, "guided": True},
    },
    "change-unet-fill": {
        "architecture": "change-unet",
        "hyperparameters": {
            "widths": [16, 32, 64, 128],
            "blocks": [1, 2, 2, 2],
            "quantiles": [0.25, 0.5, 0.75],
            "fill": True,
        },
        "input": {
            "grid": None,
            "multiple": 16,
            "scaling": {"method": "percentile", "percentile": 70.0, "floor": 0.02},
        },
        "output": "change",
        "inference": {"mirrors": _LEFT_RIGHT, "memory_gb": 1},
    },
    "res-unet": {
        "architecture": "res-unet",
        "hyperparameters": {
            "widths": [128, 256, 512, 1024, 1024],
            "convolutions": [1, 2, 3, 3],
            "activation": "tanh",
        },
        "input": _PAPERS_INPUT,
        "output": "image",
        "inference": {"mirrors": [[]], "memory_gb": 8},
    },
    "res-unet-light": {
        "architecture": "res-unet",
        "hyperparameters": {
            "widths": [16, 32, 64, 128, 128],
            "convolutions": [1, 2, 3, 3],
            "activation": "tanh",
        },
        "input": _PAPERS_INPUT,
        "output": "image",
        "inference": {"mirrors": [[]], "memory_gb": 2},
    },
    "trans-unet": {
        "architecture": "trans-unet",
        "hyperparameters": {
            "widths": [16, 32, 64, 128],
            "blocks": [1, 2, 2, 4],
            "embedding": 512,
            "heads": 8,
            "layers": 4,
            "hidden": 4096,
            "grid": [128, 128, 128],
        },
        "input": _PAPERS_INPUT,
        "output": "image",
        "inference": {"mirrors": [[]], "memory_gb": 3},
    },
    "trans-unet-light": {
        "architecture": "trans-unet",
        "hyperparameters": {
            "widths": [8, 16, 32, 64],
            "blocks": [1, 1, 1, 2],
            "embedding": 128,
            "heads": 4,
            "layers": 2,
            "hidden": 512,
            "grid": [128, 128, 128],
        },
        "input": _PAPERS_INPUT,
        "output": "image",
        "inference": {"mirrors": [[]], "memory_gb": 2},
    },
}
"""What a training of a generator starts from: the fields of a
:class:`~clinica_t1nce.models.cards.Card` that say how the network is built and fed.
``att-unet``, ``res-unet`` and ``trans-unet`` are the paper's."""

DISCRIMINATORS: Mapping[str, Mapping[str, Any]] = {
    "patch-discriminator": {
        "architecture": "patch-discriminator",
        "hyperparameters": {"widths": [32, 64, 128], "patch": 64, "stride": 50},
        "input": _PAPERS_INPUT,
        "output": "score",
    },
}
"""The same for discriminators; the paper's."""


def preset(name: str) -> dict[str, Any]:
    """Give one of :data:`PRESETS` or :data:`DISCRIMINATORS`, to be changed at will.

    Parameters
    ----------
    name
        A key of one of the two.

    Returns
    -------
    dict
        A copy.

    Raises
    ------
    WeightsError
        If no preset has this name.
    """
    known = {**PRESETS, **DISCRIMINATORS}
    if name not in known:
        raise WeightsError(f"unknown preset {name!r}; known: {', '.join(sorted(known))}")
    return deepcopy(dict(known[name]))


def build(architecture: str, **hyperparameters: Any) -> "nn.Module":
    """Build a network with its initial, random weights.

    Parameters
    ----------
    architecture
        A key of :data:`ARCHITECTURES`.
    **hyperparameters
        Keyword arguments of the network's class.

    Returns
    -------
    torch.nn.Module
        In training mode, float32.

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
