import json
from pathlib import Path

import numpy as np
import pytest
import torch

from clinica_t1nce.models.att_unet import AttentionGate, AttUNet
from tests.data import recipe

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
needs_reference = pytest.mark.skipif(not REFERENCE.exists(), reason="no ../shared/reference")


def widths(finest):
    return [finest * 2**level for level in range(5)]


def volume(*numbers):
    return torch.from_numpy(np.stack([recipe.volume(n, (32, 32, 32)) for n in numbers]))[:, None]


def run(network, x):
    with torch.inference_mode():
        return network.eval()(x)


def reference_keys(name):
    keys = json.loads((REFERENCE / "state_dict_keys.json").read_text())
    return keys["AttU_Net"] if name == "att_w64" else keys["reduced_width_variants"][name]


def test_output_of_the_hashed_weights():
    # Computed once by this network, when it agreed with the reference implementation.
    out = run(recipe.fill(AttUNet(widths(8))), volume(0))[0, 0]
    expected = {
        (0, 0, 0): -0.333487,
        (5, 17, 30): 0.518700,
        (16, 16, 16): 1.752960,
        (31, 31, 31): -0.065413,
    }
    for voxel, value in expected.items():
        assert out[voxel].item() == pytest.approx(value, abs=1e-4)
    assert out.mean().item() == pytest.approx(0.897127, abs=1e-4)
    assert out.std(correction=0).item() == pytest.approx(0.881016, abs=1e-4)


@needs_reference
@pytest.mark.parametrize(
    ("name", "finest"), [("att_w8", 8), pytest.param("att_w64", 64, marks=pytest.mark.slow)]
)
def test_agrees_with_the_reference(name, finest):
    network = recipe.fill(AttUNet(widths(finest)))
    expected = np.load(REFERENCE / "golden_outputs.npz")[f"{name}/out"]
    out = run(network, volume(0))[0, 0].numpy()
    assert np.abs(out - expected).max() <= 2e-5 * np.abs(expected).max()


@needs_reference
@pytest.mark.parametrize(("name", "finest"), [("att_w8", 8), ("att_w64", 64)])
def test_the_authors_checkpoints_fit(name, finest):
    with torch.device("meta"):
        network = AttUNet(widths(finest))
    reference = reference_keys(name)
    found = [[key, list(value.shape)] for key, value in network.state_dict().items()]
    assert found == [entry[:2] for entry in reference["state_dict"]]
    assert sum(p.numel() for p in network.parameters()) == reference["parameter_count"]


def test_size_of_the_papers_network():
    with torch.device("meta"):
        network = AttUNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == 103_887_981


@pytest.mark.slow
@needs_reference
def test_three_steps_of_training_agree_with_the_reference():
    expected = np.load(REFERENCE / "golden_outputs.npz")["train/att_w8/loss"]
    network = recipe.fill(AttUNet(widths(8))).double().train()
    x, y = volume(0, 1).double(), volume(2, 3).double()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999))
    losses = []
    for _ in range(4):
        loss = (network(x) - y).abs().mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_gate_weighs_every_channel_of_a_voxel_alike():
    gate = recipe.fill(AttentionGate(4)).eval()
    signal, skip = torch.rand(1, 4, 3, 3, 3), torch.rand(1, 4, 3, 3, 3) + 0.1
    ratio = gate(signal, skip).detach() / skip
    assert ((ratio > 0) & (ratio < 1)).all()
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    assert ratio.std() > 1e-4


@pytest.mark.parametrize("sizes", [(2, 4), (2, 4, 6)])
def test_other_depths_keep_the_shape(sizes):
    step = 2 ** (len(sizes) - 1)
    x = torch.rand(1, 1, 2 * step, 3 * step, 4 * step)
    assert run(AttUNet(sizes), x).shape == x.shape
