"""Convolutions on parts of a grid: only where an image is, and little memory at a time."""

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional as F

Window = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""First cell, and the one after the last, along each of three axes."""

THICKNESS = 20
"""Cells of a window along the last axis: thick enough that its margins cost little. Thin along
another, and PyTorch (2.13, on a CPU) takes windows for so small that it does without oneDNN, and
copies each 27 times."""


def windows(filled: torch.Tensor, margin: int = 0) -> Iterator[Window]:
    """Cut a grid into slabs, and each of them to the box of what is near it and filled.

    Parameters
    ----------
    filled
        Mask, D x H x W.
    margin
        Cells around those that are filled that belong to them.

    Yields
    ------
    tuple
        Windows that share no cell, and hold all that is filled, with the margin.
    """
    *sides, length = filled.shape
    for start in range(0, length, THICKNESS):
        stop = min(start + THICKNESS, length)
        near = filled[..., max(start - margin, 0) : stop + margin].any(dim=2)
        found = [near.any(dim=1 - axis).nonzero() for axis in (0, 1)]
        if len(found[0]):
            rows, columns = (
                (max(int(places[0]) - margin, 0), min(int(places[-1]) + 1 + margin, side))
                for places, side in zip(found, sides, strict=True)
            )
            yield rows, columns, (start, stop)


def grown(window: Window, by: int, grid: torch.Size) -> Window:
    """Grow a window on all sides, as far as the grid reaches."""
    a, b, c = (
        (max(low - by, 0), min(high + by, side))
        for (low, high), side in zip(window, grid, strict=True)
    )
    return a, b, c


def cut(x: torch.Tensor, window: Window, within: Window | None = None) -> torch.Tensor:
    """Cut a window out of N x C x D x H x W, which covers the grid, or a window of it."""
    starts = [0, 0, 0] if within is None else [low for low, _ in within]
    a, b, c = (
        slice(low - start, high - start) for (low, high), start in zip(window, starts, strict=True)
    )
    return x[..., a, b, c]


def doubled(window: Window) -> Window:
    """Give a window on a grid twice as fine."""
    a, b, c = ((2 * low, 2 * high) for low, high in window)
    return a, b, c


def cut_doubled(x: torch.Tensor, window: Window) -> torch.Tensor:
    """Cut a window out of a volume that is doubled by nearest neighbours, a part of it only."""
    a, b, c = ((low // 2, -(-high // 2)) for low, high in window)
    fine = F.interpolate(cut(x, (a, b, c)), scale_factor=2, mode="nearest")
    return cut(fine, window, doubled((a, b, c)))


def convolve(conv: nn.Conv3d, x: torch.Tensor, window: Window, grid: torch.Size) -> torch.Tensor:
    """Convolve by 3 x 3 x 3 with zeros around the grid, not around the window.

    Parameters
    ----------
    conv
        Convolution with a padding of 1.
    x
        Input on the window, grown by 1.
    window
        Window of the result.
    grid
        Sides of the grid.
    """
    pads = [
        int(at_end)
        for (low, high), side in zip(reversed(window), reversed(grid), strict=True)
        for at_end in (low == 0, high == side)
    ]
    return F.conv3d(F.pad(x, pads) if any(pads) else x, conv.weight, conv.bias)


def spread_background(small: torch.Tensor, radius: int, grid: torch.Size) -> torch.Tensor:
    """Give what a network makes of a grid of zeros, from what it makes of a small one.

    Parameters
    ----------
    small
        Result on 2 * `radius` + 1 cells a side, N x C x D x H x W.
    radius
        Cells from which on the border of the grid makes no difference.
    grid
        Sides, each longer than 2 * `radius`.

    Returns
    -------
    torch.Tensor
        Result on the grid, channels last in memory.
    """
    spread = small.movedim(1, -1).contiguous()
    # The first axis last, which copies long runs of memory.
    for axis, side in reversed([*enumerate(grid, start=1)]):
        from_start = torch.arange(side, device=small.device).clamp(max=radius)
        spread = spread.index_select(axis, from_start + radius - from_start.flip(0))
    return spread.movedim(-1, 1)
