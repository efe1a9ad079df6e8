"""The networks by name, and the settings they are trained and run with."""

from collections.abc import Mapping
from copy import deepcopy
from importlib import import_module
from typing import TYPE_CHECKING, Any

from clinica_t1nce.errors import WeightsError, one_line

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

_PAPERS_INPUT = {"grid": [128, 128, 128], "scaling": {"method": "min-max"}}
BRIGHT_TISSUE = {"method": "percentile", "percentile": 70.0, "floor": 0.02}

# A head is about symmetric from left to right: its mirror image is as likely a head.
_LEFT_RIGHT = [[], [0]]


def _of_paper(architecture: str, memory_gb: int, **hyperparameters: Any) -> Mapping[str, Any]:
    return {
        "architecture": architecture,
        "hyperparameters": hyperparameters,
        "input": _PAPERS_INPUT,
        "output": "image",
        "inference": {"mirrors": [[]], "memory_gb": memory_gb},
    }


def _of_change(
    multiple: int, hyperparameters: Mapping[str, Any], **inference: Any
) -> Mapping[str, Any]:
    return {
        "architecture": "change-unet",
        "hyperparameters": hyperparameters,
        "input": {"grid": None, "multiple": multiple, "scaling": BRIGHT_TISSUE},
        "output": "change",
        "inference": {"mirrors": _LEFT_RIGHT, "memory_gb": 1, **inference},
    }


_RES = {"convolutions": [1, 2, 3, 3], "activation": "tanh"}
_DEEP = {
    "widths": [16, 32, 64, 128],
    "blocks": [1, 2, 2, 2],
    "quantiles": [0.25, 0.5, 0.75],
}
_FAST = {
    **_DEEP,
    "blocks": [0, 1, 1, 1],
    "up_blocks": [1, 1, 1],
    "head_side": 1,
    "fill": True,
}
_TRANS = {"heads": 8, "layers": 4, "hidden": 4096, "grid": [128, 128, 128]}
_TRANS_LIGHT = {"heads": 4, "layers": 2, "hidden": 512, "grid": [128, 128, 128]}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "att-unet": _of_paper("att-unet", 6, widths=[64, 128, 256, 512, 1024]),
    "att-unet-light": _of_paper("att-unet", 2, widths=[16, 32, 64, 128, 256]),
    "change-unet": _of_change(8, {"widths": [16, 32, 64], "blocks": 1}),
    "change-unet-deep": _of_change(16, _DEEP, guided=True),
    "change-unet-fast": _of_change(16, _FAST, mirrors=[[]], fade=[0.01, 0.05]),
    "change-unet-fill": _of_change(16, {**_DEEP, "fill": True}, fade=[0.01, 0.05]),
    "res-unet": _of_paper("res-unet", 8, widths=[128, 256, 512, 1024, 1024], **_RES),
    "res-unet-light": _of_paper("res-unet", 2, widths=[16, 32, 64, 128, 128], **_RES),
    "trans-unet": _of_paper(
        "trans-unet", 3, widths=[16, 32, 64, 128], blocks=[1, 2, 2, 4], embedding=512, **_TRANS
    ),
    "trans-unet-light": _of_paper(
        "trans-unet", 2, widths=[8, 16, 32, 64], blocks=[1, 1, 1, 2], embedding=128, **_TRANS_LIGHT
    ),
}
"""Presets of generators by name: the fields of a :class:`~clinica_t1nce.models.cards.Card` that
say how the network is built and fed. ``att-unet``, ``res-unet`` and ``trans-unet`` are the
paper's."""

DISCRIMINATORS: Mapping[str, Mapping[str, Any]] = {
    "patch-discriminator": {
        "architecture": "patch-discriminator",
        "hyperparameters": {"widths": [32, 64, 128], "patch": 64, "stride": 50},
        "input": _PAPERS_INPUT,
        "output": "score",
    },
}
"""Presets of discriminators; the paper's."""


def preset(name: str) -> dict[str, Any]:
    """Return a copy of one of :data:`PRESETS` or :data:`DISCRIMINATORS`.

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
        Key of :data:`ARCHITECTURES`.
    **hyperparameters
        Keyword arguments of the network's class.

    Returns
    -------
    torch.nn.Module
        Network in training mode, float32.

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
        raise WeightsError(
            f"architecture {architecture!r} cannot be built with {hyperparameters}: "
            f"{one_line(error)}"
        ) from error
    return network
