"""Grids: resampling, padding and orientation of volumes, without files."""

from collections.abc import Sequence
from types import EllipsisType

import numpy as np
import torch
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from torch.nn import functional as F

_RAS = np.array([[0, 1], [1, 1], [2, 1]])

Crop = tuple[EllipsisType, slice, slice, slice]


def resample(x: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Resample to another number of voxels of the same field of view.

    Trilinear, voxel centres at half-integers (``align_corners=False``), edges clamped and no
    smoothing before: what the paper's authors do between the crop and 128 x 128 x 128.

    Parameters
    ----------
    x
        N x C x D x H x W.
    shape
        The new D, H, W.
    """
    if tuple(x.shape[2:]) == tuple(shape):
        return x
    return F.interpolate(x, size=tuple(shape), mode="trilinear", align_corners=False)


def pad_to_multiple(x: torch.Tensor, multiple: int) -> tuple[torch.Tensor, Crop]:
    """Lengthen each side to a multiple, at its far end, by repeating the last voxel.

    Repeating adds no edge where the head touches the border of the image.

    Parameters
    ----------
    x
        N x C x D x H x W.
    multiple
        Of which each new side is the smallest multiple that is long enough.

    Returns
    -------
    padded : torch.Tensor
    inside : tuple
        Index for which ``padded[inside]`` is `x`, in any tensor of the padded size.
    """
    d, h, w = x.shape[2:]
    pads = (0, -w % multiple, 0, -h % multiple, 0, -d % multiple)
    inside: Crop = (..., slice(d), slice(h), slice(w))
    return (F.pad(x, pads, mode="replicate") if any(pads) else x), inside


def unpad(x: torch.Tensor, inside: Crop) -> torch.Tensor:
    """Undo :func:`pad_to_multiple`."""
    return x[inside]


def nonzero_box(volume: np.ndarray, margin: int = 0) -> tuple[slice, ...]:
    """Find the smallest box that holds every voxel that is not 0; all of a volume of zeros.

    Parameters
    ----------
    volume
        D x H x W.
    margin
        Voxels to add on each side, as far as the volume reaches.
    """
    filled = volume != 0
    if not filled.any():
        return (slice(None),) * volume.ndim
    box = []
    for axis, side in enumerate(volume.shape):
        others = tuple(a for a in range(volume.ndim) if a != axis)
        (places,) = np.nonzero(filled.any(axis=others))
        low, high = int(places[0]) - margin, int(places[-1]) + 1 + margin
        box.append(slice(max(low, 0), min(high, side)))
    return tuple(box)


def to_ras(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Turn a volume's axes so that they run right, anterior, superior, as near as they can.

    Axes are only exchanged and flipped: no voxel changes, of an oblique image neither.

    Parameters
    ----------
    volume
        Three axes, as stored.
    affine
        4 x 4, voxel indices of `volume` to mm, RAS+.

    Returns
    -------
    numpy.ndarray
        C order.
    """
    return np.ascontiguousarray(apply_orientation(volume, io_orientation(affine)))


def from_ras(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Undo :func:`to_ras`, with the same affine: that of the volume as stored."""
    back = ornt_transform(_RAS, io_orientation(affine))
    return np.ascontiguousarray(apply_orientation(volume, back))
