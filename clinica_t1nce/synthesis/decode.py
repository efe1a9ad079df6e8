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
    """Enhancement that a network found, N x 1 x D x H x W, in the units of its T1ce.

    `half_range`, 0 or more, is the uncertainty: half of the distance between the outer quantiles;
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
    """Turn the output of a network, one channel a quantile, into the change that it stands for.

    Gradients flow through the change wherever it is not at its bounds.

    Parameters
    ----------
    out, t1ce
        Output, N x Q x D x H x W, and scaled T1ce, N x 1 x D x H x W.
    output
        Meaning of `out`: ``"change"``, the enhancement, between 0 and the T1ce, 0 where that is
        negative; or ``"image"``, the T1nce, one channel: the change is the plain difference.
    quantiles, quantile
        Rising probabilities of the channels, and the one to take, interpolated between them.
    """
    if output == "image":
        return Decoded(t1ce - out, None)
    bounded = out.clamp(min=0).minimum(t1ce.clamp(min=0))
    if bounded.shape[1] == 1:
        return Decoded(bounded, None)
    half_range = (bounded[:, -1:] - bounded[:, :1]).clamp(min=0) / 2
    below, above, share = _between(quantiles, quantile)
    return Decoded(bounded[:, below, None].lerp(bounded[:, above, None], share), half_range)


def fade_small(change: torch.Tensor, limits: tuple[float, float]) -> torch.Tensor:
    """Leave out of a change, in scaled units, what is too small to be told from noise.

    A change is never negative: what a network takes for noise of the enhancement does not average
    out, and would darken all tissue by about a hundredth. Changes up to the first limit are left
    out, those from the second on are whole, in between the fraction rises smoothly; equal limits:
    all are whole.
    """
    low, high = limits
    if low == high:
        return change
    t = ((change.abs() - low) / (high - low)).clamp(0, 1)
    return change * t * t * (3 - 2 * t)


def _between(quantiles: Sequence[float], wanted: float) -> tuple[int, int, float]:
    """Find the two quantiles that the `wanted` one lies between, and how far up it lies."""
    place = float(np.interp(wanted, quantiles, range(len(quantiles))))
    below = min(int(place), max(len(quantiles) - 2, 0))
    return below, min(below + 1, len(quantiles) - 1), place - below


def guide(change: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Let a change follow the edges of the image that it is taken from; N x 1 x D x H x W both.

    A network on a coarser grid gives a change with edges and speckle of its own. The guided filter
    (He, Sun and Tang, "Guided image filtering", IEEE TPAMI 2013) writes it, in each window of
    3 x 3 x 3 voxels, as the linear function of the image that comes nearest to it: what the image
    does not show is averaged, edges that it shows stay. Units are those of white matter; the result
    lies between 0 and the image, and is 0 where the windows around hold no change.
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
