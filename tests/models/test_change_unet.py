import pytest
import torch

from clinica_t1nce.models.change_unet import (
    ChangeUNet,
    ResidualBlock,
    depth_to_space,
    space_to_depth,
)


def test_blocks_of_voxels_become_channels_and_come_back():
    x = torch.arange(2.0 * 4 * 6 * 2).reshape(1, 2, 4, 6, 2)
    deep = space_to_depth(x)
    assert deep.shape == (1, 16, 2, 3, 1)
    assert deep[0, :8, 1, 2, 0].tolist() == x[0, 0, 2:4, 4:6, 0:2].flatten().tolist()
    assert torch.equal(depth_to_space(deep), x)


def test_one_channel_a_quantile_and_blocks_a_level():
    network = ChangeUNet((2, 4), blocks=(1, 3), quantiles=(0.25, 0.5, 0.75))
    assert network(torch.rand(1, 1, 8, 8, 4)).shape == (1, 3, 8, 8, 4)
    assert [len(stage) for stage in network.encoders] == [1, 3]
    assert [len(stage) for stage in network.decoders] == [1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"blocks": (1, 1, 1)},
        {"blocks": (1, 1), "up_blocks": (1, 1)},
        {"head_side": 2},
        {"quantiles": (0.25, 0.75)},
        {"quantiles": (0.5, 0.25, 0.75)},
        {"quantiles": (0.5, 0.75, 1.0)},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ChangeUNet((2, 4), **wrong)


def test_fewer_blocks_up_than_down_and_a_head_without_surroundings():
    network = ChangeUNet((2, 4, 6), blocks=(0, 2, 1), up_blocks=(1, 3), head_side=1, fill=True)
    assert [len(stage) for stage in network.encoders] == [0, 2, 1]
    assert [len(stage) for stage in network.decoders] == [1, 3]
    assert network.head.kernel_size == network.fill.kernel_size == (1, 1, 1)
    assert network(torch.rand(1, 1, 8, 16, 8)).shape == (1, 1, 8, 16, 8)


@pytest.mark.parametrize(("widths", "blocks"), [((2, 4), 1), ((2, 3, 4), 2), ((4,), 1)])
def test_shape_is_kept(widths, blocks):
    side = 2 ** len(widths)
    x = torch.rand(2, 1, side, 2 * side, 3 * side)
    network = ChangeUNet(widths, blocks)
    assert network(x).shape == x.shape
    levels = 2 * len(widths) - 1
    assert sum(isinstance(m, ResidualBlock) for m in network.modules()) == levels * blocks


def test_the_shipped_size():
    with torch.device("meta"):
        network = ChangeUNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == 389_864


def test_a_filled_voxel_does_not_hang_on_its_brightness() -> None:
    torch.manual_seed(0)
    network = ChangeUNet((4, 8), quantiles=(0.25, 0.5, 0.75), fill=True)
    network.fill.weight.data.zero_()
    network.fill.bias.data = torch.tensor([30.0] * 8 + [0.4] * 8)
    x = torch.rand(1, 1, 16, 16, 16) + 0.5
    out = network(x)
    assert out.shape == (1, 3, 16, 16, 16)
    # Wide open, the network leaves what it says lies below: 0.4 everywhere.
    torch.testing.assert_close(x - out[:, 1, None], torch.full_like(x, 0.4))
    # The outer quantiles keep their distance from the middle one.
    network.fill.bias.data[:8] = -30.0
    shut = network(x)
    torch.testing.assert_close(out[:, 2] - out[:, 1], shut[:, 2] - shut[:, 1])


def test_filling_starts_near_the_network_without() -> None:
    torch.manual_seed(0)
    plain = ChangeUNet((4, 8))
    filled = ChangeUNet((4, 8), fill=True)
    filled.load_state_dict({**filled.state_dict(), **plain.state_dict()})
    x = torch.rand(1, 1, 16, 16, 16)
    assert (filled(x) - plain(x)).detach().abs().mean().item() < 0.03


def test_starts_small_but_not_at_nothing():
    torch.manual_seed(0)
    change = ChangeUNet((4, 8))(torch.rand(1, 1, 16, 16, 16)).abs().mean()
    assert 0 < change < 0.5


def test_every_parameter_is_used():
    network = ChangeUNet((2, 4, 6))
    network(torch.rand(1, 1, 16, 16, 16)).square().mean().backward()
    unused = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert unused == []


def test_each_voxel_sees_its_own_surroundings_only():
    torch.manual_seed(0)
    network = ChangeUNet((2, 4)).eval()
    x = torch.rand(1, 1, 64, 8, 8)
    changed = x.clone()
    changed[:, :, 0] += 1
    difference = (network(changed) - network(x)).abs().detach().amax((0, 1, 3, 4))
    assert difference[0] > 0
    assert difference[48:].max() == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"blocks": (2, 1, 1)},
        {"fill": True},
        {"blocks": (0, 1, 1), "up_blocks": (2, 1), "head_side": 1, "fill": True},
        {"blocks": (1, 1, 1), "up_blocks": (0, 1), "head_side": 1},
    ],
)
@pytest.mark.parametrize("side", [16, 72], ids=["too small for windows", "four windows"])
def test_the_output_where_there_is_an_image(settings, side):
    torch.manual_seed(0)
    network = ChangeUNet((2, 4, 4), quantiles=(0.25, 0.5, 0.75), **settings).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x = torch.zeros(1, 1, 48, side, 128)
    x[..., 10:40, 5:30, 30:70] = torch.rand(30, min(side - 5, 25), 40)
    # On a face of the grid.
    x[..., 20, 10, -1] = 1

    def finish(out, seen):
        return torch.where(seen == 0, 0, out)

    with torch.inference_mode():
        expected, found = finish(network(x), x), network.where_filled(x, finish)
        nothing = network.where_filled(torch.zeros_like(x), finish)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert not nothing.any()
