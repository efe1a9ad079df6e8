import pytest
import torch
from torch import nn

from clinica_t1nce.models.doubling import DoublingConv3d


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
