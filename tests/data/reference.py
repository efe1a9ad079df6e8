"""What the authors' classes hold and give; for tests marked ``real``."""

import json

import numpy as np
import pytest
import torch

from tests.conftest import REPOSITORY
from tests.data import recipe

REFERENCE = REPOSITORY.parent / "shared" / "reference"

CLASSES = {
    "att_w64": "AttU_Net",
    "res_w128": "GeneratorUNetResMod",
    "bts_w16_s128": "BTS",
    "disc_w32": "Discriminator64",
}
"""Networks of the authors' own widths, and their class; others are lighter."""


def _folder():
    if not REFERENCE.is_dir():
        pytest.skip("../shared/reference is absent")
    return REFERENCE


def golden(name):
    """Give one array of the reference outputs."""
    return np.load(_folder() / "golden_outputs.npz")[name]


def keys(name):
    """Give names, shapes and number of parameters of one network."""
    content = json.loads((_folder() / "state_dict_keys.json").read_text())
    return content[CLASSES[name]] if name in CLASSES else content["reduced_width_variants"][name]


def shapes(name):
    """Give the names of a network's tensors, in order, and their shapes."""
    return {key: tuple(shape) for key, shape, _ in keys(name)["state_dict"]}


def fill(network, name):
    """Give a network of ours the hashed weights of the authors' network `name`."""
    return recipe.fill(network, list(shapes(name)))


def volumes(side, *numbers):
    """Give hashed volumes as a batch, N x 1 x side x side x side."""
    cubes = [recipe.volume(number, (side,) * 3) for number in numbers]
    return torch.from_numpy(np.stack(cubes))[:, None]


def run(network, *inputs):
    """Run a network in evaluation mode."""
    with torch.inference_mode():
        return network.eval()(*inputs)


def assert_golden(network, name, side, every=1):
    """Compare a network's output with the authors' own, on the hashed weights."""
    out = run(fill(network, name), volumes(side, 0))[0, 0, ::every, ::every, ::every].numpy()
    expected = golden(f"{name}/out")
    assert np.abs(out - expected).max() <= 2e-5 * np.abs(expected).max()


def assert_golden_training(network, name, filled_as, side):
    """Compare the losses of three steps in float64 with those of the authors' own network."""
    network = fill(network, filled_as).double().train()
    x, y = volumes(side, 0, 1).double(), volumes(side, 2, 3).double()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999))
    losses = []
    for _ in range(4):
        loss = (network(x) - y).abs().mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    np.testing.assert_allclose(losses, golden(f"train/{name}/loss"), rtol=1e-5)
