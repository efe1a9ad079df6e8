"""A light U-Net that predicts the enhancement to take away, at full resolution.

On a CPU it works in windows: only where an image is, and with little memory at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

Window = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""First cell, and the one after the last, along each of three axes."""

_THICKNESS = 20
"""Cells of a window along the last axis: thick enough that its margins cost little. Thin along
another, and PyTorch (2.13, on a CPU) takes windows for so small that it does without oneDNN, and
copies each 27 times."""


def _windows(filled: torch.Tensor, margin: int = 0) -> Iterator[Window]:
    """Cut a mask, D x H x W, into slabs, each to the box of what is filled, with a margin."""
    *sides, length = filled.shape
    for start in range(0, length, _THICKNESS):
        stop = min(start + _THICKNESS, length)
        near = filled[..., max(start - margin, 0) : stop + margin].any(dim=2)
        found = [near.any(dim=1 - axis).nonzero() for axis in (0, 1)]
        if len(found[0]):
            rows, columns = (
                (max(int(places[0]) - margin, 0), min(int(places[-1]) + 1 + margin, side))
                for places, side in zip(found, sides, strict=True)
            )
            yield rows, columns, (start, stop)


def _grown(window: Window, by: int, grid: torch.Size) -> Window:
    """Grow a window on all sides, as far as the grid reaches."""
    a, b, c = (
        (max(low - by, 0), min(high + by, side))
        for (low, high), side in zip(window, grid, strict=True)
    )
    return a, b, c


def _cut(x: torch.Tensor, window: Window, within: Window | None = None) -> torch.Tensor:
    """Cut a window out of N x C x D x H x W, which covers the grid, or a window of it."""
    starts = [0, 0, 0] if within is None else [low for low, _ in within]
    a, b, c = (
        slice(low - start, high - start) for (low, high), start in zip(window, starts, strict=True)
    )
    return x[..., a, b, c]


def _doubled(window: Window) -> Window:
    """Give a window on a grid twice as fine."""
    a, b, c = ((2 * low, 2 * high) for low, high in window)
    return a, b, c


def _cut_doubled(x: torch.Tensor, window: Window) -> torch.Tensor:
    """Cut a window out of a volume that is doubled by nearest neighbours, a part of it only."""
    a, b, c = ((low // 2, -(-high // 2)) for low, high in window)
    fine = F.interpolate(_cut(x, (a, b, c)), scale_factor=2, mode="nearest")
    return _cut(fine, window, _doubled((a, b, c)))


def _convolve(conv: nn.Conv3d, x: torch.Tensor, window: Window, grid: torch.Size) -> torch.Tensor:
    """Convolve; `x` covers the window, grown by 1 for 3 x 3 x 3; zeros lie around the grid only."""
    if conv.kernel_size == (1, 1, 1):
        return _mix(conv, x)
    pads = [
        int(at_end)
        for (low, high), side in zip(reversed(window), reversed(grid), strict=True)
        for at_end in (low == 0, high == side)
    ]
    return F.conv3d(F.pad(x, pads) if any(pads) else x, conv.weight, conv.bias)


def _mix(conv: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Convolve by 1 x 1 x 1, channels last: as a convolution, PyTorch 2.13 takes longer."""
    assert isinstance(conv, nn.Conv3d)
    return F.linear(x.movedim(1, -1), conv.weight.flatten(1), conv.bias).movedim(-1, 1)


def _spread_background(small: torch.Tensor, radius: int, grid: torch.Size) -> torch.Tensor:
    """Give what a grid of zeros becomes, of what 2 * `radius` + 1 cells a side become."""
    spread = small.movedim(1, -1).contiguous()
    # The first axis last, which copies long runs of memory.
    for axis, side in reversed([*enumerate(grid, start=1)]):
        from_start = torch.arange(side, device=small.device).clamp(max=radius)
        spread = spread.index_select(axis, from_start + radius - from_start.flip(0))
    return spread.movedim(-1, 1)


_SHUT = -2.5
_CORTEX = 0.75
_LEAK = 0.02


def space_to_depth(x: torch.Tensor) -> torch.Tensor:
    """Move each 2 x 2 x 2 block into channels: N x C x D x H x W, even, to N x 8C x D/2 x ..."""
    n, c, d, h, w = x.shape
    x = x.view(n, c, d // 2, 2, h // 2, 2, w // 2, 2)
    return x.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(n, c * 8, d // 2, h // 2, w // 2)


def depth_to_space(x: torch.Tensor) -> torch.Tensor:
    """Undo :func:`space_to_depth`: N x 8C x D x H x W to N x C x 2D x 2H x 2W."""
    n, c, d, h, w = x.shape
    x = x.view(n, c // 8, 2, 2, 2, d, h, w)
    return x.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(n, c // 8, d * 2, h * 2, w * 2)


def _voxels(x: torch.Tensor) -> torch.Tensor:
    """Part the voxels of each cell from the channels: N x 8C x ... to N x C x 8 x ..."""
    return x.unflatten(1, (-1, 8))


class ResidualBlock(nn.Module):
    """Pre-activation residual block, N x channels x D x H x W in and out."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight)
            _without_shift(conv)
        # Small, not zero: blocks that start at zero settled on "nothing is enhanced".
        self.conv2.weight.data.mul_(0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the two convolutions' correction to `x`."""
        # In place where nothing else needs the value: large volumes are dear to allocate.
        inner = F.relu(self.conv1(F.relu(x)), inplace=True)
        out: torch.Tensor = self.conv2(inner)
        return out.add_(x)

    def in_window(self, x: torch.Tensor, window: Window, grid: torch.Size) -> torch.Tensor:
        """Do the same in a window of the grid; `x` covers the window, grown by 2."""
        inner = _convolve(self.conv1, F.relu(x), _grown(window, 1, grid), grid)
        out = _convolve(self.conv2, F.relu(inner, inplace=True), window, grid)
        return out.add_(_cut(x, window, _grown(window, 2, grid)))


class ChangeUNet(nn.Module):
    """U-Net on a pixel-unshuffled grid whose output is the *enhancement*, not the image.

    The stem turns 2 x 2 x 2 voxels into channels, so that the network works at half the
    resolution and yet writes every voxel: its output is subtracted from the full-resolution
    input, which leaves unenhanced tissue as sharp as it came.

    Parameters
    ----------
    widths
        Channels of each level, finest first. Level 0 has half of the input's resolution.
    blocks
        Residual blocks of each level on the way down: one number for all levels, or one a level.
    up_blocks
        Residual blocks of each level but the last on the way up; None: as on the way down.
    head_side
        Side, 3 or 1, of the convolutions that give the output. Much of the time is spent on the
        finest level: no block on its way down, and a side of 1, save most of that.
    quantiles
        Rising probabilities, an odd number of them: the network gives these quantiles of the
        enhancement, the middle one being what it removes and the outer ones how sure it is.
        None: one value, the middle.
    fill
        Whether the network may also say, voxel by voxel, what lies under the enhancement, and how
        much of the voxel is to be replaced by it: the finest vessels are removed whole then,
        whatever their brightness, where a change has to follow it from a grid half as fine.

    Notes
    -----
    Input: N x 1 x D x H x W, sides multiples of ``2 ** len(widths)``, a T1ce scaled so that bright
    tissue is about 1. Output: N x Q x D x H x W, one channel a quantile, in the same units,
    unbounded; a value of 0.3 says that the T1nce is darker by 0.3 there.

    Raises
    ------
    ValueError
        If `blocks` or `up_blocks` do not match `widths`, `head_side` is neither 3 nor 1, or
        `quantiles` are not odd in number and rising within (0, 1).
    """

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64),
        blocks: int | Sequence[int] = 1,
        quantiles: Sequence[float] | None = None,
        fill: bool = False,
        up_blocks: Sequence[int] | None = None,
        head_side: int = 3,
    ):
        super().__init__()
        widths = tuple(widths)
        depths = (blocks,) * len(widths) if isinstance(blocks, int) else tuple(blocks)
        up_depths = depths[:-1] if up_blocks is None else tuple(up_blocks)
        for given, levels in ((depths, len(widths)), (up_depths, len(widths) - 1)):
            if len(given) != levels:
                raise ValueError(f"{len(given)} numbers of blocks for {levels} levels")
        if head_side not in (1, 3):
            raise ValueError(f"head_side {head_side}: neither 3 nor 1")
        self._blocks, self._up_blocks = depths, up_depths
        self.quantiles = (0.5,) if quantiles is None else tuple(quantiles)
        rising = (0.0, *self.quantiles, 1.0)
        if len(self.quantiles) % 2 == 0 or any(a >= b for a, b in pairwise(rising)):
            raise ValueError(f"quantiles {self.quantiles}: not odd in number and rising in (0, 1)")
        finer, coarser = widths[:-1], widths[1:]
        self.stem = nn.Conv3d(8, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(map(_stage, widths, depths))
        self.downs = nn.ModuleList(
            nn.Conv3d(a, b, 2, stride=2) for a, b in zip(finer, coarser, strict=True)
        )
        self.ups = nn.ModuleList(nn.Conv3d(b, a, 1) for a, b in zip(finer, coarser, strict=True))
        self.decoders = nn.ModuleList(map(_stage, finer, up_depths))
        around = head_side // 2
        self.head = nn.Conv3d(widths[0], 8 * len(self.quantiles), head_side, padding=around)
        for conv in (self.stem, *self.downs, *self.ups):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
            _without_shift(conv)
        nn.init.normal_(self.head.weight, std=0.01)
        _without_shift(self.head)
        self.fill = nn.Conv3d(widths[0], 16, head_side, padding=around) if fill else None
        if self.fill is not None:
            nn.init.normal_(self.fill.weight, std=0.01)
            # At first hardly anything is replaced, by an intensity near cortex.
            assert self.fill.bias is not None
            self.fill.bias.data = torch.tensor([_SHUT] * 8 + [_CORTEX] * 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Predict the enhancement in a T1ce, one channel a quantile, as the class says."""
        h = self.encoders[0](self.stem(space_to_depth(x)))
        if len(self.downs):
            coarse = self._coarse(h)
            doubled = F.interpolate(coarse, scale_factor=2, mode="nearest")
            h = self.decoders[0](doubled.add_(h))
        h = F.relu(h, inplace=True)
        change = depth_to_space(self.head(h))
        if self.fill is None:
            return change
        return _replace(change, depth_to_space(self.fill(h)), x)

    def where_filled(
        self, x: torch.Tensor, finish: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Make something of the output, where there is an image only; without gradients.

        The finest level, where half of the work is, is computed window by window: the fewer
        voxels are filled, the less time and memory it takes.

        Parameters
        ----------
        x
            Input of :meth:`forward`.
        finish
            Function of the output and of `x`, voxel by voxel, whatever axes lie behind the first
            two: it is given parts of both, before voxels come back from channels. Of voxels that
            are 0 in `x`, it has to give 0.

        Returns
        -------
        torch.Tensor
            Result of `finish`, up to rounding, for the whole of `x`.
        """
        cells = space_to_depth(x).contiguous(memory_format=torch.channels_last_3d)
        grid = cells.shape[2:]
        filled = (cells != 0).any(dim=1)[0]
        if len(x) > 1 or len(self.encoders) == 1 or not filled.any():
            return finish(self.forward(x), x)
        # How far the finest level looks around, on the way down and up.
        down = 1 + 2 * self._blocks[0]
        around = int(self.head.padding[0])
        up = around + 2 * self._up_blocks[0]
        if min(grid) <= 2 * max(down, up):
            return finish(self.forward(x), x)
        zeros = cells.new_zeros((1, 8, *[2 * down + 1] * 3))
        skip = _spread_background(self.encoders[0](self.stem(zeros)), down, grid)
        for window in _windows(filled, down):
            h = _cut(cells, _grown(window, down, grid))
            h = _convolve(self.stem, h, _grown(window, down - 1, grid), grid)
            _cut(skip, window).copy_(_in_window(self.encoders[0], h, window, grid))
        del h
        coarse = self._coarse(skip)
        out: torch.Tensor | None = None
        for window in _windows(filled):
            wide = _grown(window, up, grid)
            h = _cut(skip, wide) + _cut_doubled(coarse, wide)
            h = _in_window(self.decoders[0], h, _grown(window, around, grid), grid)
            h = F.relu(h, inplace=True)
            change = _voxels(_convolve(self.head, h, window, grid))
            seen = _voxels(_cut(cells, window))
            if self.fill is not None:
                change = _replace(change, _voxels(_convolve(self.fill, h, window, grid)), seen)
            finished = depth_to_space(finish(change, seen).flatten(1, 2))
            if out is None:
                out = x.new_zeros((1, finished.shape[1], *x.shape[2:]))
            _cut(out, _doubled(window)).copy_(finished)
        assert out is not None
        return out

    def _coarse(self, h: torch.Tensor) -> torch.Tensor:
        """Do all that is below the finest level, up to the grid half as fine."""
        skips = []
        for down, encoder in zip(self.downs, self.encoders[1:], strict=True):
            h = encoder(down(F.relu(h)))
            skips.append(h)
        skips.pop()
        for up, decoder in zip(reversed(self.ups[1:]), reversed(self.decoders[1:]), strict=True):
            wide = F.interpolate(_mix(up, h), scale_factor=2, mode="nearest")
            h = decoder(wide.add_(skips.pop()))
        return _mix(self.ups[0], h)


def _in_window(stage: nn.Module, h: torch.Tensor, window: Window, grid: torch.Size) -> torch.Tensor:
    """Do the blocks of a stage in a window; `h` covers it, grown by 2 for each of them."""
    blocks = [block for block in stage.children() if isinstance(block, ResidualBlock)]
    for left, block in zip(reversed(range(len(blocks))), blocks, strict=True):
        h = block.in_window(h, _grown(window, 2 * left, grid), grid)
    return h


def _replace(change: torch.Tensor, fill: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Replace as much of each voxel as the network says by what it says lies under it."""
    gate, below = fill.split(1, dim=1)
    middle = change[:, change.shape[1] // 2, None]
    # Hard, so that it can be shut: a T1nce comes out as it came in.
    return change + F.hardsigmoid(gate) * (F.leaky_relu(x - below, _LEAK) - middle)


def _stage(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))


def _without_shift(conv: nn.Conv3d) -> None:
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
