"""The paper's Trans-U-Net: a U-Net whose coarsest level is a transformer, after TransBTS."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from clinica_t1nce.models.layers import PositionTable, Residual, SelfAttention, check_sides, named


class EncoderBlock(nn.Module):
    """Pre-activation residual block with group norm, N x width x D x H x W in and out.

    Parameters
    ----------
    width
        Channels, a multiple of 8.
    """

    def __init__(self, width: int):
        super().__init__()
        self.bn1 = nn.GroupNorm(8, width)
        self.conv1 = nn.Conv3d(width, width, 3, padding=1)
        self.bn2 = nn.GroupNorm(8, width)
        self.conv2 = nn.Conv3d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the two convolutions' correction to `x`."""
        out: torch.Tensor = self.conv1(F.relu(self.bn1(x)))
        return x + self.conv2(F.relu(self.bn2(out)))


class Encoder(nn.Module):
    """The way down of :class:`TransUNet`; `names` keeps, for each level, its blocks in order."""

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], dropout: float):
        super().__init__()
        self.InitConv = _convolution(1, widths[0], dropout=dropout)
        self.names = []
        for level, (width, n) in enumerate(zip(widths, blocks, strict=True), start=1):
            names = [f"EnBlock{level}"] if n == 1 else [f"EnBlock{level}_{i + 1}" for i in range(n)]
            for name in names:
                self.add_module(name, EncoderBlock(width))
            if level < len(widths):
                self.add_module(f"EnDown{level}", _convolution(width, widths[level], stride=2))
            self.names.append(names)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Give the map of each level, finest first."""
        x = self.InitConv(x)
        maps = []
        for level, names in enumerate(self.names):
            if level:
                x = self.get_submodule(f"EnDown{level}")(x)
            for name in names:
                x = self.get_submodule(name)(x)
            maps.append(x)
        return maps


class DecoderBlock(nn.Module):
    """Twice convolution, batch norm and ReLU; where the width stays, added to the input."""

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.residual = n_in == n_out
        self.conv1 = nn.Conv3d(n_in, n_out, 3, padding=1)
        self.bn1 = nn.BatchNorm3d(n_out)
        self.conv2 = nn.Conv3d(n_out, n_out, 3, padding=1)
        self.bn2 = nn.BatchNorm3d(n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N x in x D x H x W to N x out x D x H x W."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return x + out if self.residual else out


class UpCat(nn.Module):
    """Double the grid and join the skip."""

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.conv1 = nn.Conv3d(n_in, n_out, 1)
        self.conv2 = nn.ConvTranspose3d(n_out, n_out, 2, stride=2)
        self.conv3 = nn.Conv3d(2 * n_out, n_out, 1)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """N x in x D x H x W and N x out x 2D x 2H x 2W to the skip's shape."""
        out: torch.Tensor = self.conv3(torch.cat((skip, self.conv2(self.conv1(x))), dim=1))
        return out


class TransUNet(nn.Module):
    """Trans-U-Net of Bottani et al., section 3, as its authors' public code builds it.

    With the defaults it is the paper's, less the 67,072 parameters of the authors' code that
    have no effect: 32,722,561. Modules are named so that the authors' checkpoints fit. Unlike
    there, all dropout is active in training only, and other grids than 128³ are taken. Where
    their code and their text differ (group norm in the encoder, no soft-max at the end), it
    follows the code.

    Parameters
    ----------
    widths
        Channels of each level, finest first; multiples of 8.
    blocks
        Residual blocks of each level on the way down.
    embedding
        Channels of a token; a multiple of `heads`.
    heads, layers, hidden
        Heads and layers of the transformer, and channels inside its feed-forward blocks.
    grid
        Voxels of the volumes that the position table is learned on; a volume of another shape
        is given the table by trilinear interpolation.
    dropout, attention_dropout, first_dropout
        Probabilities, in training, that a number in the transformer, an attention weight, or a
        whole channel after the first convolution is dropped.

    Notes
    -----
    Input and output: N x 1 x D x H x W, sides multiples of ``2 ** (len(widths) - 1)``. The input
    is a T1ce scaled to [0, 1], the output the T1nce; it is linear and may leave that range.

    Raises
    ------
    ValueError
        If `grid` is not three multiples of ``2 ** (len(widths) - 1)``, or `embedding` no multiple
        of `heads`.
    """

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64, 128),
        blocks: Sequence[int] = (1, 2, 2, 4),
        embedding: int = 512,
        heads: int = 8,
        layers: int = 4,
        hidden: int = 4096,
        grid: Sequence[int] = (128, 128, 128),
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        first_dropout: float = 0.2,
    ):
        super().__init__()
        widths = tuple(widths)
        self.depth = len(widths)
        self.multiple = 2 ** (self.depth - 1)
        if len(grid) != 3 or any(side < 1 or side % self.multiple for side in grid):
            raise ValueError(f"grid {list(grid)} is not three multiples of {self.multiple}")
        self.position_encoding = PositionTable(
            embedding, tuple(side // self.multiple for side in grid)
        )
        self.pe_dropout = nn.Dropout(dropout)
        parts: list[nn.Module] = []
        for _ in range(layers):
            # Dropout twice after attention, as the authors have it.
            attention = SelfAttention(embedding, heads, attention_dropout, dropout)
            for part, after in (
                (attention, dropout),
                (_feed_forward(embedding, hidden, dropout), 0.0),
            ):
                chain = named(norm=nn.LayerNorm(embedding), fn=part, dropout=nn.Dropout(after))
                parts.append(Residual(fn=chain))
        self.transformer = named(net=nn.Sequential(*parts))
        self.conv_x = nn.Conv3d(widths[-1], embedding, 3, padding=1)
        self.Unet = Encoder(widths, blocks, first_dropout)
        self.bn = nn.BatchNorm3d(widths[-1])
        self.Enblock8_1 = DecoderBlock(embedding, widths[-1])
        self.Enblock8_2 = DecoderBlock(widths[-1], widths[-1])
        for level in range(self.depth, 1, -1):
            coarse, fine = widths[level - 1], widths[level - 2]
            self.add_module(f"DeUp{level}", UpCat(coarse, fine))
            self.add_module(f"DeBlock{level}", DecoderBlock(fine, fine))
        self.endconv = nn.Conv3d(widths[0], 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Predict the T1nce from a T1ce, shapes and scale as the class says.

        Raises
        ------
        ImageError
            If the sides do not fit.
        """
        check_sides(x, self.multiple)
        *skips, x = self.Unet(x)
        x = self.position_encoding(self.conv_x(F.relu(self.bn(x))))
        tokens = self.transformer(self.pe_dropout(x.flatten(2).transpose(1, 2)))
        x = tokens.transpose(1, 2).unflatten(2, x.shape[2:])
        x = self.Enblock8_2(self.Enblock8_1(x))
        for level in range(self.depth, 1, -1):
            x = self.get_submodule(f"DeUp{level}")(x, skips.pop())
            x = self.get_submodule(f"DeBlock{level}")(x)
        out: torch.Tensor = self.endconv(x)
        return out


def _convolution(n_in: int, n_out: int, stride: int = 1, dropout: float = 0.0) -> nn.Module:
    """Convolve and, in training, drop channels whole."""
    convolution = nn.Conv3d(n_in, n_out, 3, stride=stride, padding=1)
    return named(conv=convolution, dropout=nn.Dropout3d(dropout))


def _feed_forward(width: int, hidden: int, dropout: float) -> nn.Module:
    """Make two linear layers with the exact GELU between them, for each token by itself."""
    first, second = nn.Linear(width, hidden), nn.Linear(hidden, width)
    layers = (first, nn.GELU(), nn.Dropout(dropout), second, nn.Dropout(dropout))
    return named(net=nn.Sequential(*layers))
