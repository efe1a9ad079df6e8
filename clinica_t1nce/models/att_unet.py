"""The paper's Attention U-Net: a U-Net whose skips pass through attention gates."""

from collections.abc import Sequence

import torch
from torch import nn

from clinica_t1nce.models.layers import DoublingConv3d, check_sides, named


class AttentionGate(nn.Module):
    """Weigh each voxel of a skip by what the coarser level makes of it.

    Unlike Oktay et al. 2018, the gate signal has been brought to the skip's grid before.

    Parameters
    ----------
    width
        Number of channels of the gate signal and of the skip; half of them inside.
    """

    def __init__(self, width: int):
        super().__init__()
        inner = width // 2
        self.W_g = nn.Sequential(nn.Conv3d(width, inner, 1), nn.BatchNorm3d(inner))
        self.W_x = nn.Sequential(nn.Conv3d(width, inner, 1), nn.BatchNorm3d(inner))
        self.psi = nn.Sequential(nn.Conv3d(inner, 1, 1), nn.BatchNorm3d(1), nn.Sigmoid())
        self.relu = nn.ReLU(inplace=True)

    def forward(self, gate: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Scale `skip` by a weight in (0, 1), one a voxel; both N x width x D x H x W."""
        weight: torch.Tensor = self.psi(self.relu(self.W_g(gate) + self.W_x(skip)))
        return skip * weight


class AttUNet(nn.Module):
    """Attention U-Net of Bottani et al., section 3, as its authors' public code builds it.

    With the default widths it is the paper's, of 103,887,981 parameters; modules are named so
    that the authors' checkpoints fit. Where their code and their text differ (batch norm after
    upsampling, in the decoder and in the gates), it follows the code.

    Parameters
    ----------
    widths
        Channels of each level, finest first; even.

    Notes
    -----
    Input and output: N x 1 x D x H x W, sides multiples of ``2 ** (len(widths) - 1)``. The input
    is a T1ce scaled to [0, 1], the output the T1nce; it is linear and may leave that range.
    """

    def __init__(self, widths: Sequence[int] = (64, 128, 256, 512, 1024)):
        super().__init__()
        widths = tuple(widths)
        self.depth = len(widths)
        self.Maxpool = nn.MaxPool3d(2)
        for level, (n_in, n_out) in enumerate(zip((1, *widths), widths, strict=False), start=1):
            self.add_module(f"Conv{level}", _two_convolutions(n_in, n_out))
        for level in range(self.depth, 1, -1):
            coarse, fine = widths[level - 1], widths[level - 2]
            self.add_module(f"Up{level}", _doubling_block(coarse, fine))
            self.add_module(f"Att{level}", AttentionGate(fine))
            self.add_module(f"Up_conv{level}", _two_convolutions(2 * fine, fine))
        self.Conv_1x1 = nn.Conv3d(widths[0], 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Predict the T1nce from a T1ce, shapes and scale as the class says.

        Raises
        ------
        ImageError
            If the sides do not fit.
        """
        check_sides(x, 2 ** (self.depth - 1))
        x = self.get_submodule("Conv1")(x)
        skips = []
        for level in range(2, self.depth + 1):
            skips.append(x)
            x = self.get_submodule(f"Conv{level}")(self.Maxpool(x))
        for level in range(self.depth, 1, -1):
            gate = self.get_submodule(f"Up{level}")(x)
            skip = self.get_submodule(f"Att{level}")(gate, skips.pop())
            x = self.get_submodule(f"Up_conv{level}")(torch.cat((skip, gate), dim=1))
        out: torch.Tensor = self.Conv_1x1(x)
        return out


def _two_convolutions(n_in: int, n_out: int) -> nn.Module:
    layers: list[nn.Module] = []
    for n in (n_in, n_out):
        convolution = nn.Conv3d(n, n_out, 3, padding=1)
        layers += [convolution, nn.BatchNorm3d(n_out), nn.ReLU(inplace=True)]
    return named(conv=nn.Sequential(*layers))


def _doubling_block(n_in: int, n_out: int) -> nn.Module:
    """N x in x D x H x W to N x out x 2D x 2H x 2W."""
    # The authors' upsampling is an identity here: the next layer does it as well.
    up = DoublingConv3d(n_in, n_out)
    layers = (nn.Identity(), up, nn.BatchNorm3d(n_out), nn.ReLU(inplace=True))
    return named(up=nn.Sequential(*layers))
