"""Convolutions in half the bits, on processors that have instructions for them.

Activations stay float32 between the convolutions, and so do the first and the last ones: what a
network gives moves by less than a thousandth of the image's range.
"""

import torch
from torch import nn

from clinica_t1nce.models.change_unet import ResidualBlock


def is_fast() -> bool:
    """Say whether this processor multiplies bfloat16 (AVX512_BF16, AMX)."""
    # No public name in all versions that are supported.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)


class Bfloat16Conv3d(nn.Module):
    """A convolution that computes in bfloat16, float32 in and out.

    Parameters
    ----------
    conv
        The convolution, float32; its weights are copied.
    """

    def __init__(self, conv: nn.Conv3d):
        super().__init__()
        self.conv = nn.Conv3d(
            conv.in_channels,
            conv.out_channels,
            (conv.kernel_size[0], conv.kernel_size[1], conv.kernel_size[2]),
            padding=conv.padding,
            dtype=torch.bfloat16,
        )
        self.conv.load_state_dict(conv.state_dict())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve `x`."""
        out: torch.Tensor = self.conv(x.bfloat16())
        return out.float()


def convert(module: nn.Module) -> nn.Module:
    """Let the residual blocks of a network compute in bfloat16; others stay as they are.

    Parameters
    ----------
    module
        Network for inference; changed in place.

    Returns
    -------
    torch.nn.Module
        `module`.
    """
    for block in module.modules():
        if isinstance(block, ResidualBlock):
            for name, conv in list(block.named_children()):
                if isinstance(conv, nn.Conv3d):
                    setattr(block, name, Bfloat16Conv3d(conv).requires_grad_(False))
    return module
