import pytest
import torch

from clinica_t1nce.models.att_unet import AttentionGate, AttUNet
from tests.data import recipe, reference


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
