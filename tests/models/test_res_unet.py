import pytest
import torch

from clinica_t1nce.errors import ImageError
from clinica_t1nce.models.res_unet import ResUNet
from tests.data import recipe, reference

LIGHT = (8, 16, 32, 64, 64)


def test_output_of_the_hashed_weights():
    # Computed once by this network, when it agreed with the reference implementation.
    out = reference.run(recipe.fill(ResUNet(LIGHT)), reference.volumes(64, 0))[0, 0]
    expected = {
        (0, 0, 0): -0.033072,
        (5, 17, 30): 0.680362,
        (16, 16, 16): 0.536606,
        (63, 63, 63): 0.160319,
    }
    for voxel, value in expected.items():
        assert out[voxel].item() == pytest.approx(value, abs=1e-4)
    assert out.mean().item() == pytest.approx(0.439374, abs=1e-4)
    assert out.std(correction=0).item() == pytest.approx(0.187487, abs=1e-4)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("res_w8", LIGHT),
        pytest.param("res_w128", (128, 256, 512, 1024, 1024), marks=pytest.mark.slow),
    ],
)
def test_agrees_with_the_reference(name, widths):
    reference.assert_golden(ResUNet(widths), name, side=64, every=2)


@pytest.mark.real
@pytest.mark.slow
def test_three_steps_of_training_agree_with_the_reference():
    reference.assert_golden_training(ResUNet(LIGHT), "res_w8", "res_w8", side=64)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "widths"), [("res_w8", LIGHT), ("res_w128", (128, 256, 512, 1024, 1024))]
)
def test_the_authors_checkpoints_fit(name, widths):
    with torch.device("meta"):
        network = ResUNet(widths)
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert found == reference.shapes(name)


def test_size_of_the_papers_network():
    with torch.device("meta"):
        network = ResUNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == 312_250_369


@pytest.mark.parametrize(
    ("widths", "convolutions"), [((4, 4), [1]), ((2, 4, 4), [2, 1]), ((2, 3, 4, 4), [1, 2, 1])]
)
@pytest.mark.parametrize("shared", [True, False])
def test_other_depths_keep_the_shape_and_use_every_weight(widths, convolutions, shared):
    step = 2 ** (len(widths) + 1)
    x = torch.rand(1, 1, step, 2 * step, 3 * step // 2)
    network = ResUNet(widths, convolutions, shared=shared)
    out = network(x)
    assert out.shape == x.shape
    out.square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_modules_of_their_own_start_from_the_same_outputs():
    shared, own = recipe.fill(ResUNet((4, 8, 8), [1, 2])), ResUNet((4, 8, 8), [1, 2], shared=False)
    state = shared.state_dict()
    same = {"ascending_r1": "r1", "ascending_r2": "r2", "r3": "r2"}
    own.load_state_dict(
        {
            name: state[name.replace(head, same.get(head, head), 1)]
            for name in own.state_dict()
            for head in [name.partition(".")[0]]
        }
    )
    x = torch.rand(1, 1, 16, 16, 16)
    torch.testing.assert_close(reference.run(own, x), reference.run(shared, x))


def test_output_is_bounded_unless_it_is_to_be_linear():
    torch.manual_seed(0)
    x = 100 * torch.rand(1, 1, 8, 8, 8)
    bounded, linear = ResUNet((4, 4), [1]), ResUNet((4, 4), [1], activation="linear")
    linear.load_state_dict(bounded.state_dict())
    torch.testing.assert_close(bounded(x), linear(x).tanh())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"widths": (4, 8)}, "last two of widths must be equal"),
        ({"convolutions": (1, 1)}, "one entry of convolutions"),
        ({"widths": (4,), "convolutions": ()}, "one entry of convolutions"),
        ({"activation": "relu"}, "'relu' unknown; known: tanh, linear"),
    ],
)
def test_settings_that_do_not_fit(wrong, message):
    with pytest.raises(ValueError, match=message):
        ResUNet(**{"widths": (4, 4), "convolutions": (1,), **wrong})


@pytest.mark.parametrize("side", [32, 80])
def test_sides_that_do_not_fit_are_one_line(side):
    message = rf"grid 64 x {side} x 64: .* of at least 64 voxels, each a multiple of 32; pad or"
    with pytest.raises(ImageError, match=message):
        ResUNet((2, 2, 2, 2, 2))(torch.rand(1, 1, 64, side, 64))
