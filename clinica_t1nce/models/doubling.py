"""A convolution of an image doubled by repeating voxels, without that image."""

import torch
from torch import nn
from torch.nn import functional as F

# Row: tap of the transposed kernel; column: taps of the kernel that fall onto one coarse voxel.
_TAPS = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))

_FEW = 512
"""Voxels of a batch below which preparing the weights costs more than it saves."""


class DoublingConv3d(nn.Conv3d):
    """Nearest-neighbour upsampling by 2, then a convolution of 3³ with padding 1, in one.

    Of the 27 taps on the doubled grid, up to eight meet the same voxel: eight sums are all that
    differs, and the two steps are a transposed convolution of 4³ and stride 2, of 8/27 of the
    multiplications, and without the doubled image, the largest tensor of a U-Net. Weights are
    those of the plain convolution.

    Parameters
    ----------
    n_in, n_out
        Channels.
    """

    def __init__(self, n_in: int, n_out: int):
        super().__init__(n_in, n_out, 3, padding=1)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """N x in x D x H x W to N x out x 2D x 2H x 2W."""
        if len(input) * input.shape[2:].numel() < _FEW:
            return super().forward(F.interpolate(input, scale_factor=2, mode="nearest"))
        taps = self.weight.new_tensor(_TAPS)
        weight = torch.einsum("oiabc,da,eb,fc->iodef", self.weight, taps, taps, taps)
        return F.conv_transpose3d(input, weight, self.bias, stride=2, padding=1)
