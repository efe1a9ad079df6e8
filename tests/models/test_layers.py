import numpy as np
import pytest
import torch
from torch import nn

from clinica_t1nce.models import cards, registry, storage
from clinica_t1nce.models.att_unet import AttUNet
from clinica_t1nce.models.layers import DoublingConv3d, has_batch_norm, use_batch_statistics
from clinica_t1nce.synthesis.synthesizer import Synthesizer
from tests.data import recipe, reference


def net():
    return recipe.fill(nn.Sequential(nn.Conv3d(1, 3, 1), nn.BatchNorm3d(3), nn.ReLU()))


def test_each_input_is_normed_by_itself_in_evaluation_too():
    network = use_batch_statistics(net()).eval()
    x = torch.rand(1, 1, 4, 4, 4)
    expected = net().train()(x)
    torch.testing.assert_close(network(x), expected)
    # Another gain and offset of the first layer's input are normed away.
    torch.testing.assert_close(network(5 * x + 3), expected, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(net().eval()(x), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_statistics_are_precise_in_either_layout(layout):
    x = 3 * torch.rand(1, 2, 64, 64, 64) + 3
    norm = use_batch_statistics(nn.BatchNorm3d(2)).eval()
    out = norm(x.contiguous(memory_format=layout))
    expected = nn.BatchNorm3d(2).double().train()(x.double())
    torch.testing.assert_close(out.double(), expected, rtol=0, atol=5e-6)
    assert out.is_contiguous(memory_format=layout)


def test_names_values_and_running_statistics_stay():
    network, before = net(), net().state_dict()
    parameters = [id(parameter) for parameter in network.parameters()]
    use_batch_statistics(network).eval()(torch.rand(1, 1, 4, 4, 4))
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert [id(parameter) for parameter in network.parameters()] == parameters


def test_gradients_are_those_of_training():
    gradients = []
    for network in (use_batch_statistics(net()).eval(), net().train()):
        x = torch.linspace(0, 1, 64).reshape(1, 1, 4, 4, 4).requires_grad_()
        network(x).square().mean().backward()
        gradients.append([x.grad, *(parameter.grad for parameter in network.parameters())])
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_training_goes_on_as_before():
    plain, other, x = net().train(), use_batch_statistics(net()).train(), torch.rand(2, 1, 4, 4, 4)
    torch.testing.assert_close(other(x), plain(x))
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value)


@pytest.mark.real
def test_agrees_with_the_reference():
    network = AttUNet([8, 16, 32, 64, 128])
    network = use_batch_statistics(reference.fill(network, "att_w8")).double()
    out = reference.run(network, reference.volumes(32, 0).double())[0, 0, ::2, ::2, ::2].numpy()
    expected = reference.golden("att_w8/batchstat_out")
    assert np.abs(out - expected).max() <= 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize(("name", "has"), [("att-unet", True), ("res-unet", False)])
def test_who_has_batch_norm(name, has):
    settings = registry.preset(name)
    with torch.device("meta"):
        network = registry.build(settings["architecture"], **settings["hyperparameters"])
    assert has_batch_norm(network) is has


def test_the_card_brings_it_to_the_synthesis(tmp_path):
    volume = recipe.volume(0, (18, 20, 16))
    images = {}
    for given in (False, True):
        path = tmp_path / f"w{given}.safetensors"
        network = recipe.fill(AttUNet([4, 6]))
        card = cards.Card(
            name="w",
            architecture="att-unet",
            hyperparameters={"widths": [4, 6]},
            input={"grid": [16, 16, 16], "scaling": {"method": "min-max"}},
            output="image",
            inference={"mirrors": [[]], "batch_statistics": given},
        )
        storage.save_weights(path, network, card)
        images[given] = Synthesizer.load(path, "cpu")(volume).image
        by_hand = use_batch_statistics(network) if given else network
        np.testing.assert_array_equal(images[given], Synthesizer(by_hand, card)(volume).image)
    assert np.abs(images[True] - images[False]).max() > 0.05


@pytest.mark.parametrize("shape", [(2, 3, 7, 6, 8), (1, 3, 2, 3, 4)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_output_and_gradients_are_those_of_the_two_steps(shape, layout):
    torch.manual_seed(0)
    one = DoublingConv3d(3, 5)
    two = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv3d(3, 5, 3, padding=1))
    two[1].load_state_dict(one.state_dict())
    found = []
    for network in (one, two):
        network.to(memory_format=layout)
        x = torch.linspace(-1, 1, torch.Size(shape).numel()).reshape(shape)
        x = x.contiguous(memory_format=layout).requires_grad_()
        out = network(x)
        out.square().mean().backward()
        found.append([out, x.grad, *(parameter.grad for parameter in network.parameters())])
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)


def test_starts_like_a_plain_convolution():
    torch.manual_seed(0)
    one = DoublingConv3d(2, 4)
    torch.manual_seed(0)
    plain = nn.Conv3d(2, 4, 3, padding=1)
    assert torch.equal(one.weight, plain.weight)
    assert torch.equal(one.bias, plain.bias)
