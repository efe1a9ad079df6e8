import pytest
import torch

from clinica_t1nce.models.res_unet import ResUNet
from tests.data import recipe, reference


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
