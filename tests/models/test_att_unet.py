import pytest
import torch

from clinica_t1nce.errors import ImageError
from clinica_t1nce.models.att_unet import AttentionGate, AttUNet
from tests.data import recipe, reference


def widths(finest):
    return [finest * 2**level for level in range(5)]


def test_output_of_the_hashed_weights():
    # Computed once by this network, when it agreed with the reference implementation.
    out = reference.run(recipe.fill(AttUNet(widths(8))), reference.volumes(32, 0))[0, 0]
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


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "finest"), [("att_w8", 8), pytest.param("att_w64", 64, marks=pytest.mark.slow)]
)
def test_agrees_with_the_reference(name, finest):
    reference.assert_golden(AttUNet(widths(finest)), name, side=32)


@pytest.mark.real
@pytest.mark.parametrize(("name", "finest"), [("att_w8", 8), ("att_w64", 64)])
def test_the_authors_checkpoints_fit(name, finest):
    with torch.device("meta"):
        network = AttUNet(widths(finest))
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert list(found.items()) == list(reference.shapes(name).items())
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == reference.keys(name)["parameter_count"]


def test_size_of_the_papers_network():
    with torch.device("meta"):
        network = AttUNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == 103_887_981


@pytest.mark.real
@pytest.mark.slow
def test_three_steps_of_training_agree_with_the_reference():
    reference.assert_golden_training(AttUNet(widths(8)), "att_w8", "att_w8", side=32)


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
    assert reference.run(AttUNet(sizes), x).shape == x.shape


def test_sides_that_do_not_fit_are_one_line():
    with pytest.raises(ImageError, match=r"grid 16 x 24 x 16: .* a multiple of 16; pad or"):
        AttUNet(widths(2))(torch.rand(1, 1, 16, 24, 16))
