"""The paper's Res-U-Net: a U-Net with residual modules that its levels share."""

from collections.abc import Sequence

import torch
from torch import nn

from clinica_t1nce.models.layers import DoublingConv3d, check_sides

ACTIVATIONS = {"tanh": nn.Tanh, "linear": nn.Identity}
"""What may stand at the end."""


class ResidualModule(nn.Module):
    """Add some convolutions, with one activation after the last; N x width x D x H x W.

    Parameters
    ----------
    width
        Channels.
    convolutions
        How many.
    """

    def __init__(self, width: int, convolutions: int):
        super().__init__()
        self.model = nn.Sequential(
            *(nn.Conv3d(width, width, 3, padding=1) for _ in range(convolutions)),
            nn.LeakyReLU(0.2, inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the convolutions' correction to `x`."""
        out: torch.Tensor = x + self.model(x)
        return out


class Descent(nn.Module):
    """Halve the grid with a convolution, then instance norm and leaky ReLU.

    Parameters
    ----------
    n_in, n_out
        Channels.
    """

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv3d(n_in, n_out, 3, stride=2, padding=1),
            nn.InstanceNorm3d(n_out),
            nn.LeakyReLU(0.2, inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N x in x D x H x W to N x out x D/2 x H/2 x W/2."""
        out: torch.Tensor = self.model(x)
        return out


class Ascent(nn.Module):
    """Double the grid with a transposed convolution, then instance norm and ReLU.

    Parameters
    ----------
    n_in, n_out
        Channels.
    """

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.model = nn.Sequential(
            nn.ConvTranspose3d(n_in, n_out, 4, stride=2, padding=1),
            nn.InstanceNorm3d(n_out),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N x in x D x H x W to N x out x 2D x 2H x 2W."""
        out: torch.Tensor = self.model(x)
        return out


class Final(nn.Module):
    """Double the grid once more, and make one channel of all.

    Parameters
    ----------
    n_in
        Channels.
    activation
        A key of :data:`ACTIVATIONS`.

    Raises
    ------
    ValueError
        If there is no such activation.
    """

    def __init__(self, n_in: int, activation: str):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation {activation!r} unknown; known: {', '.join(ACTIVATIONS)}")
        self.model = nn.Sequential(
            nn.Identity(),  # the authors' upsampling, which the next layer does as well
            DoublingConv3d(n_in, 1),
            ACTIVATIONS[activation](),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N x in x D x H x W to N x 1 x 2D x 2H x 2W."""
        out: torch.Tensor = self.model(x)
        return out


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
        ``"tanh"``, the paper's: the output stays in (-1, 1), and never reaches 1. ``"linear"``:
        unbounded.
    shared
        Share the residual modules as the authors do. Otherwise each place has its own.

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
        self.depth = len(widths)
        self.shared = shared
        for level, (width, n) in enumerate(zip(widths, convolutions, strict=False), start=1):
            self.add_module(f"r{level}", ResidualModule(width, n))
        if not shared:
            self.add_module(f"r{self.depth}", ResidualModule(widths[-1], convolutions[-1]))
            for level, (width, n) in enumerate(zip(widths, convolutions, strict=False), start=1):
                self.add_module(f"ascending_r{level}", ResidualModule(width, n))
        for level, (n_in, n_out) in enumerate(zip((1, *widths), widths, strict=False), start=1):
            self.add_module(f"down{level}", Descent(n_in, n_out))
        for step in range(1, self.depth):
            coarse, fine = widths[-step], widths[-step - 1]
            self.add_module(f"up{step}", Ascent(coarse if step == 1 else 2 * coarse, fine))
        self.final = Final(2 * widths[0], activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Predict the T1nce, N x 1 x D x H x W, from a T1ce of the same shape.

        Parameters
        ----------
        x
            T1ce scaled to [0, 1]; the sides as the class says.

        Returns
        -------
        torch.Tensor
            On the scale of `x`.

        Raises
        ------
        ImageError
            If the sides do not fit.
        """
        check_sides(x, 2**self.depth, smallest=2 ** (self.depth + 1))
        skips = []
        for level in range(1, self.depth + 1):
            before = self.get_submodule(f"down{level}")(x)
            x = self._descending(level)(before)
            # The finest skip alone is taken after its residual module.
            skips.append(x if level == 1 else before)
        skips.pop()
        for step in range(1, self.depth):
            x = self.get_submodule(f"up{step}")(x)
            x = torch.cat((self._ascending(self.depth - step)(x), skips.pop()), dim=1)
        out: torch.Tensor = self.final(x)
        return out

    def _descending(self, level: int) -> nn.Module:
        last = self.depth - 1 if self.shared else self.depth
        return self.get_submodule(f"r{min(level, last)}")

    def _ascending(self, level: int) -> nn.Module:
        return self.get_submodule(f"r{level}" if self.shared else f"ascending_r{level}")
