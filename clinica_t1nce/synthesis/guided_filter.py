"""Let a change follow the edges of the image that it is taken from.

A network on a coarser grid gives a change with edges and speckle of its own, which show in the
synthetic image. The guided filter (He, Sun and Tang, "Guided image filtering", IEEE TPAMI 2013)
writes the change, in each small window, as the linear function of the image that comes nearest to
it: what the image does not show is averaged, edges that it shows stay.
"""

import torch
from torch.nn import functional as F

EPSILON = 1e-3
"""Variance of the image, in units of white matter squared, below which there is no edge."""


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
    mean_image, mean_change = _mean(image), _mean(change)
    variance = _mean(image * image) - mean_image * mean_image
    slope = (_mean(image * change) - mean_image * mean_change) / (variance.clamp(min=0) + EPSILON)
    offset = mean_change - slope * mean_image
    return (_mean(slope) * image + _mean(offset)).clamp(min=0).minimum(image.clamp(min=0))


def _mean(x: torch.Tensor) -> torch.Tensor:
    """Average over the windows, one axis after the other; the border is repeated."""
    for axis in (2, 3, 4):
        n = x.shape[axis]
        around = [0] * 6
        around[2 * (4 - axis)] = around[2 * (4 - axis) + 1] = 1
        padded = F.pad(x, around, mode="replicate")
        x = (padded.narrow(axis, 0, n) + x + padded.narrow(axis, 2, n)) / 3
    return x
