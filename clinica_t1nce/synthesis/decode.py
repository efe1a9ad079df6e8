"""Network output to change: the one rule that training, validation and inference share.

A network gives the T1nce (``"image"``) or quantiles of the enhancement (``"change"``), without
bounds. What is taken from the T1ce is never negative and never more than the T1ce itself. A
network that gives images may also brighten: its image is taken as it is.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

EPSILON = 1e-3
"""Variance of the image, in units of white matter squared, below which there is no edge."""


class Decoded(NamedTuple):
    """Enhancement that a network found, in the units of the T1ce that it was given.

    Attributes
    ----------
    change
        Difference T1ce minus T1nce, N x 1 x D x H x W.
    half_range
        Uncertainty, N x 1 x D x H x W, 0 or more: half of the distance between the outer quantiles;
        None of a network that gives one value.
    """

    change: torch.Tensor
    half_range: torch.Tensor | None


def decode(
    out: torch.Tensor,
    t1ce: torch.Tensor,
    output: str,
    quantiles: Sequence[float] = (0.5,),
    quantile: float = 0.5,
) -> Decoded:
    """Turn the output of a network into the change that it stands for.

    Gradients flow through the change wherever it is not at its bounds.

    Parameters
    ----------
    out
        Output of the network, N x Q x D x H x W, one channel a quantile.
    t1ce
        Scaled T1ce, N x 1 x D x H x W, on the grid of `out`.
    output
        Meaning of `out`, as on the card: ``"change"``, the enhancement, or ``"image"``, the
        T1nce, one channel.
    quantiles
        Rising probabilities, one a channel of `out`: the network's attribute of that name.
    quantile
        Probability of the quantile to take, interpolated between those that there are.

    Returns
    -------
    Decoded
        Of ``"change"``: a change between 0 and the T1ce, 0 where the T1ce is negative. Of
        ``"image"``: the plain difference.
    """
    if output == "image":
        return Decoded(t1ce - out, None)
    most = t1ce.clamp(min=0)
    if out.requires_grad:
        bounded = out.clamp(min=0).minimum(most)
    else:
        # The same in one pass; gradients at the bounds would differ.
        bounded = out.clamp(torch.zeros((), dtype=out.dtype, device=out.device), most)
    if bounded.shape[1] == 1:
        return Decoded(bounded, None)
    half_range = (bounded[:, -1:] - bounded[:, :1]).clamp(min=0) / 2
    below, above, share = _between(quantiles, quantile)
    return Decoded(bounded[:, below, None].lerp(bounded[:, above, None], share), half_range)


def fade_small(change: torch.Tensor, limits: tuple[float, float]) -> torch.Tensor:
    """Leave out what is too small to be told from noise.

    A change is never negative: what a network takes for noise of the enhancement does not average
    out, and would darken all tissue by about a hundredth.

    Parameters
    ----------
    change
        Change in scaled units, any shape.
    limits
        Changes up to the first are left out, those from the second on are whole, in between the
        fraction rises smoothly. Equal: all are whole.

    Returns
    -------
    torch.Tensor
        Change of the same shape.
    """
    low, high = limits
    if low == high:
        return change
    # In place where nothing else needs the value: large volumes are dear to allocate.
    t = change.abs().sub_(low).div_(high - low).clamp_(0, 1)
    faded = change * t
    faded *= t
    faded *= t.mul_(-2).add_(3)
    return faded


def _between(quantiles: Sequence[float], wanted: float) -> tuple[int, int, float]:
    """Find the two quantiles that the `wanted` one lies between, and how far up it lies."""
    place = float(np.interp(wanted, quantiles, range(len(quantiles))))
    below = min(int(place), max(len(quantiles) - 2, 0))
    return below, min(below + 1, len(quantiles) - 1), place - below


def guide(change: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Filter a change, guided by its image, in windows of 3 x 3 x 3 voxels.

    Parameters
    ----------
    change
        Change, N x 1 x D x H x W, 0 or more, in units of white matter.
    image
        Image of the same shape and units.

    Returns
    -------
    torch.Tensor
        Change of the same shape, between 0 and the image; 0 where the windows around hold no
        change.
    """
    mean_image, mean_change = _window_mean(image), _window_mean(change)
    variance = _window_mean(image * image) - mean_image * mean_image
    slope = (_window_mean(image * change) - mean_image * mean_change) / (
        variance.clamp(min=0) + EPSILON
    )
    offset = mean_change - slope * mean_image
    return (
        (_window_mean(slope) * image + _window_mean(offset))
        .clamp(min=0)
        .minimum(image.clamp(min=0))
    )


def _window_mean(x: torch.Tensor) -> torch.Tensor:
    """Average over the windows, one axis after the other; the border is repeated."""
    for axis in (2, 3, 4):
        n = x.shape[axis]
        around = [0] * 6
        around[2 * (4 - axis)] = around[2 * (4 - axis) + 1] = 1
        padded = F.pad(x, around, mode="replicate")
        x = (padded.narrow(axis, 0, n) + x + padded.narrow(axis, 2, n)) / 3
    return x
