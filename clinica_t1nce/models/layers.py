"""Layers that networks share, and what they ask of the grid that they are shown."""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from clinica_t1nce.errors import ImageError

# Row: tap of the transposed kernel; column: taps of the kernel that fall onto one coarse voxel.
_TAPS = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))

_FEW = 512
"""Voxels of a batch below which preparing the weights costs more than it saves."""


def check_sides(x: torch.Tensor, multiple: int, smallest: int = 1) -> None:
    """Refuse a volume that a network could not halve and double back.

    Parameters
    ----------
    x
        Input of the network, N x C x D x H x W.
    multiple
        Number that each side must be a multiple of.
    smallest
        Least number of voxels of each side.

    Raises
    ------
    ImageError
        If a side does not fit; the message gives the sides and what is needed.
    """
    sides = x.shape[2:]
    if len(sides) != 3 or any(side % multiple or side < smallest for side in sides):
        found = " x ".join(map(str, sides))
        least = f" of at least {smallest} voxels" if smallest > multiple else ""
        raise ImageError(
            f"grid {found}: this network takes three sides{least}, each a multiple of {multiple}; "
            "pad or resample to such a grid"
        )


def named(**layers: nn.Module) -> nn.Sequential:
    """Chain layers under names of their own: those in the checkpoints of the authors' code."""
    return nn.Sequential(OrderedDict(layers))


class Residual(nn.Module):
    """Add what a module makes of its input; given by the name that checkpoints have for it."""

    def __init__(self, **module: nn.Module):
        super().__init__()
        ((self.name, part),) = module.items()
        self.add_module(self.name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape in and out."""
        out: torch.Tensor = x + self.get_submodule(self.name)(x)
        return out


class DoublingConv3d(nn.Conv3d):
    """Nearest-neighbour upsampling by 2, then a convolution of 3³ with padding 1, in one.

    Of the 27 taps on the doubled grid, up to eight meet the same voxel: eight sums are all that
    differs, and the two steps are a transposed convolution of 4³ and stride 2, of 8/27 of the
    multiplications, and without the doubled image, the largest tensor of a U-Net. Weights are
    those of the plain convolution.

    Parameters
    ----------
    n_in, n_out
        Numbers of channels.
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


class BatchStatisticsNorm(nn.BatchNorm3d):
    """Batch norm that takes the statistics of what it is shown, at inference too.

    Running statistics are kept and trained, and never used. The figures of Bottani et al. were
    made so: their code never leaves the training mode. Weights whose card has
    ``"batch_statistics": true`` under ``inference`` are loaded with it.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Norm with the mean and variance of `input`, N x C x D x H x W."""
        if self.training:
            return super().forward(input)
        # Not batch_norm's own statistics: on the CPU, in channels-last layout, these are plain
        # float32 sums, wrong by 1e-3 on 128³ voxels, which a network can turn into anything.
        variance, mean = torch.var_mean(input, dim=(0, 2, 3, 4), correction=0)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        per_channel = (-1, 1, 1, 1)
        centred = input - mean.view(per_channel)
        return torch.addcmul(self.bias.view(per_channel), centred, scale.view(per_channel))


def has_batch_norm(module: nn.Module) -> bool:
    """Say whether batch statistics would make a difference to a network."""
    return any(isinstance(part, nn.BatchNorm3d) for part in module.modules())


def use_batch_statistics(module: nn.Module) -> nn.Module:
    """Turn each batch norm of a network, in place, into one that takes its input's statistics.

    Parameters and buffers stay what they are. Returns `module` itself.
    """
    for part in module.modules():
        if type(part) is nn.BatchNorm3d:
            part.__class__ = BatchStatisticsNorm
    return module


class PositionTable(nn.Module):
    """Add what each token's place is worth, learned for one grid and interpolated to others.

    Parameters
    ----------
    width
        Channels of a token.
    grid
        Number of tokens along each axis of the volume that the table is learned on.
    """

    def __init__(self, width: int, grid: tuple[int, ...]):
        super().__init__()
        self.grid = grid
        self.position_embeddings = nn.Parameter(torch.zeros(1, grid[0] * grid[1] * grid[2], width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the table to a map of tokens, N x width x d x h x w."""
        table = self.position_embeddings.transpose(1, 2).unflatten(2, self.grid)
        if x.shape[2:] != table.shape[2:]:
            table = F.interpolate(table, x.shape[2:], mode="trilinear", align_corners=False)
        return x + table


class SelfAttention(nn.Module):
    """Multi-head self-attention by PyTorch's scaled dot product, N x tokens x width.

    Parameters
    ----------
    width
        Channels of a token.
    heads
        Number of heads, a divisor of `width`.
    attention_dropout, dropout
        Probabilities, in training, that an attention weight or an output is dropped.

    Raises
    ------
    ValueError
        If `width` is no multiple of `heads`.
    """

    def __init__(self, width: int, heads: int, attention_dropout: float, dropout: float):
        super().__init__()
        if width % heads:
            raise ValueError(f"embedding {width} is not a multiple of heads {heads}")
        self.heads = heads
        self.attention_dropout = attention_dropout
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Let each token look at all."""
        # N x tokens x (3 * heads * channels) to 3 of N x heads x tokens x channels.
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        dropout = self.attention_dropout if self.training else 0.0
        out = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        projected: torch.Tensor = self.dropout(self.proj(out.transpose(1, 2).flatten(2)))
        return projected
