"""The paper's Res-U-Net: a U-Net with residual modules that its levels share."""

from collections.abc import Sequence

import torch
from torch import nn

from clinica_t1nce.models.layers import DoublingConv3d, Residual, check_sides, named

ACTIVATIONS = {"tanh": nn.Tanh, "linear": nn.Identity}
"""What may stand at the end."""


class ResUNet(nn.Module):
    """Res-U-Net of Bottani et al., section 3, as its authors' public code builds it.

    With the defaults it is the paper's, of 312,250,369 parameters; modules are named so that the
    authors' checkpoints fit. A level's residual module is the same, with the same weights, on
    the way down and on the way up, and the two deepest levels share theirs: the text does not
    say so, the code does.

    Parameters
    ----------
    widths
        Channels of each level, finest first; the first has half of the input's resolution. The
        last two must be equal where modules are shared.
    convolutions
        Convolutions of the residual module of each level but the deepest.
    activation
        Activation at the end: ``"tanh"``, the paper's: the output stays in (-1, 1), and never
        reaches 1. ``"linear"``: unbounded.
    shared
        Whether residual modules are shared, as the authors do; otherwise each place has its own.

    Notes
    -----
    Input and output: N x 1 x D x H x W, sides multiples of ``2 ** len(widths)`` and at least
    twice that, as instance norm needs more than one voxel. The input is a T1ce scaled to
    [0, 1], the output the T1nce.

    Raises
    ------
    ValueError
        If `widths`, `convolutions`, `activation` and `shared` do not fit together.
    """

    def __init__(
        self,
        widths: Sequence[int] = (128, 256, 512, 1024, 1024),
        convolutions: Sequence[int] = (1, 2, 3, 3),
        activation: str = "tanh",
        shared: bool = True,
    ):
        super().__init__()
        widths, convolutions = tuple(widths), tuple(convolutions)
        if len(widths) < 2 or len(convolutions) != len(widths) - 1:
            raise ValueError("one entry of convolutions is needed for each of widths but the last")
        if shared and widths[-1] != widths[-2]:
            raise ValueError("the last two of widths must be equal where modules are shared")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation {activation!r} unknown; known: {', '.join(ACTIVATIONS)}")
        self.depth = len(widths)
        self.shared = shared
        for level, (width, n) in enumerate(zip(widths, convolutions, strict=False), start=1):
            self.add_module(f"r{level}", _residual(width, n))
        if not shared:
            self.add_module(f"r{self.depth}", _residual(widths[-1], convolutions[-1]))
            for level, (width, n) in enumerate(zip(widths, convolutions, strict=False), start=1):
                self.add_module(f"ascending_r{level}", _residual(width, n))
        for level, (n_in, n_out) in enumerate(zip((1, *widths), widths, strict=False), start=1):
            halving = nn.Conv3d(n_in, n_out, 3, stride=2, padding=1)
            norm, activated = nn.InstanceNorm3d(n_out), nn.LeakyReLU(0.2, inplace=True)
            self.add_module(f"down{level}", named(model=nn.Sequential(halving, norm, activated)))
        for step in range(1, self.depth):
            coarse, fine = widths[-step], widths[-step - 1]
            n_in = coarse if step == 1 else 2 * coarse
            doubling = nn.ConvTranspose3d(n_in, fine, 4, stride=2, padding=1)
            norm, rectified = nn.InstanceNorm3d(fine), nn.ReLU(inplace=True)
            self.add_module(f"up{step}", named(model=nn.Sequential(doubling, norm, rectified)))
        # The authors' upsampling is an identity here: the next layer does it as well.
        last = DoublingConv3d(2 * widths[0], 1)
        self.final = named(model=nn.Sequential(nn.Identity(), last, ACTIVATIONS[activation]()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Predict the T1nce from a T1ce, shapes and scale as the class says.

        Raises
        ------
        ImageError
            If the sides do not fit.
        """
        check_sides(x, 2**self.depth, smallest=2 ** (self.depth + 1))
        deepest = self.depth - 1 if self.shared else self.depth
        ascending = "r" if self.shared else "ascending_r"
        skips = []
        for level in range(1, self.depth + 1):
            before = self.get_submodule(f"down{level}")(x)
            x = self.get_submodule(f"r{min(level, deepest)}")(before)
            # The finest skip alone is taken after its residual module.
            skips.append(x if level == 1 else before)
        skips.pop()
        for step in range(1, self.depth):
            x = self.get_submodule(f"up{step}")(x)
            x = self.get_submodule(f"{ascending}{self.depth - step}")(x)
            x = torch.cat((x, skips.pop()), dim=1)
        out: torch.Tensor = self.final(x)
        return out


def _residual(width: int, convolutions: int) -> nn.Module:
    """Convolutions with one activation after the last, whose outcome is added to the input."""
    layers = (nn.Conv3d(width, width, 3, padding=1) for _ in range(convolutions))
    return Residual(model=nn.Sequential(*layers, nn.LeakyReLU(0.2, inplace=True)))
