"""Made-up checkpoints of the authors' code."""

from collections import OrderedDict

import torch

from clinica_t1nce.models import registry
from tests.data import recipe

LIGHT = {
    "att-unet": {"widths": [2, 4, 6, 8, 10]},
    "res-unet": {"widths": [2, 4, 6, 8, 8], "convolutions": [1, 2, 3, 3]},
    "trans-unet": {
        "widths": [8, 16, 24, 32],
        "blocks": [1, 2, 2, 4],
        "embedding": 16,
        "heads": 8,
        "layers": 2,
        "hidden": 24,
        "grid": [32, 32, 32],
    },
    "patch-discriminator": {"widths": [2, 3, 4]},
}
"""Lighter than the authors', of the same depth."""


def network(architecture):
    """Build a light network with hashed weights, as our own code does."""
    return recipe.fill(registry.build(architecture, **LIGHT[architecture])).eval()


def authors_state(architecture):
    """Give the tensors of :func:`network` as the authors' class holds them."""
    state = OrderedDict(network(architecture).state_dict())
    if architecture == "trans-unet":
        state["linear_encoding.weight"] = torch.rand(16, 32)
        for name in ("linear_encoding.bias", "pre_head_ln.weight", "pre_head_ln.bias"):
            state[name] = torch.rand(16)
    return state


def write(path, state, **changes):
    """Write a checkpoint as the authors' code does."""
    content = {"model": state, "epoch": 17, "valid_loss": torch.tensor(0.25)}
    torch.save({**content, **changes}, path)
    return path
