"""What is taken for a volume, and grids: resampling, padding and orientation, without files."""

from collections.abc import Sequence
from pathlib import Path
from types import EllipsisType
from typing import Any

import numpy as np
import torch
from nibabel.affines import voxel_sizes
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from scipy import ndimage
from torch.nn import functional as F

from clinica_t1nce.errors import ImageError

_RAS = np.array([[0, 1], [1, 1], [2, 1]])

STRIPPED = 0.55
"""Share of zeros from which a crop of t1-linear counts as skull-stripped. A brain leaves two
thirds of its 169 x 208 x 179 mm empty, a head 0.2 to 0.45."""

VOXEL = 1.0
"""Side, in mm, of the voxels that networks are trained on: those of t1-linear."""

NEAR = 0.05
"""Fraction by which voxels may differ from :data:`VOXEL` and be taken as they are."""

_LARGEST = 1000.0
"""Side of a field of view, in mm, beyond which an affine is not one of a head."""

_SMALLEST = 0.05
"""Side of a voxel, in mm, below which an affine is not one of a head."""

Crop = tuple[EllipsisType, slice, slice, slice]


def resample(x: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Resample to another number of voxels of the same field of view.

    Trilinear, voxel centres at half-integers (``align_corners=False``), edges clamped and no
    smoothing before: what the paper's authors do between the crop and 128 x 128 x 128.

    Parameters
    ----------
    x
        Images, N x C x D x H x W.
    shape
        New D, H, W.
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
        Images, N x C x D x H x W.
    multiple
        Divisor of each new side, which is the smallest that is long enough.

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
        Voxels, D x H x W.
    margin
        Number of voxels to add on each side, as far as the volume reaches.
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


def is_skull_stripped(volume: np.ndarray) -> bool:
    """Say whether a crop of t1-linear shows a brain without its head.

    Parameters
    ----------
    volume
        Voxels on the crop's grid; their share of voxels that are exactly 0 decides
        (:data:`STRIPPED`).
    """
    return bool(np.mean(volume == 0) > STRIPPED)


def to_ras(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Turn a volume's axes so that they run right, anterior, superior, as near as they can.

    Axes are only exchanged and flipped: no voxel changes, of an oblique image neither.

    Parameters
    ----------
    volume
        Voxels, three axes as stored.
    affine
        Matrix, 4 x 4, voxel indices of `volume` to mm, RAS+.

    Returns
    -------
    numpy.ndarray
        C order.
    """
    return np.ascontiguousarray(apply_orientation(volume, io_orientation(affine)))


def sample(
    volume: np.ndarray,
    affine: np.ndarray,
    shape: Sequence[int],
    new_affine: np.ndarray,
    to_volume: np.ndarray | None = None,
) -> np.ndarray:
    """Read a volume off at the voxel centres of another grid, linearly; 0 where there is none.

    Parameters
    ----------
    volume
        Voxels, three axes.
    affine
        Matrix, 4 x 4, voxel indices of `volume` to mm, RAS+.
    shape
        Voxels of the other grid.
    new_affine
        Matrix, 4 x 4, voxel indices of the other grid to mm, RAS+.
    to_volume
        Matrix, 4 x 4, mm of the other grid's space to mm of the volume's; None: they are one space.

    Returns
    -------
    numpy.ndarray
        float32. Where voxel centres of both grids meet, the very values of `volume`.
    """
    between = np.eye(4) if to_volume is None else to_volume
    # Affines come as float32 from files: without rounding, meeting centres would just miss.
    matrix = np.round(np.linalg.inv(affine) @ between @ new_affine, 7)
    out: np.ndarray = ndimage.affine_transform(
        volume.astype(np.float32, copy=False),
        matrix[:3, :3],
        matrix[:3, 3],
        output_shape=tuple(shape),
        order=1,
        mode="grid-constant",
    )
    return out


def coarsen(volume: np.ndarray, affine: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Bring a volume to cubic voxels along its own axes, averaging over those that are finer.

    Parameters
    ----------
    volume
        Three axes.
    affine
        4 x 4, voxel indices to mm.
    side
        Side of the voxels, in mm.

    Returns
    -------
    coarse : numpy.ndarray
        float32; both grids fill one box.
    to_volume : numpy.ndarray
        4 x 4, voxel indices of `coarse` to those of `volume`.
    """
    zooms = voxel_sizes(affine)
    shape = np.maximum(np.ceil(np.array(volume.shape) * zooms / side).astype(int), 1)
    # Index i of the coarse grid is at (i + 1/2) * step - 1/2.
    step = side / zooms
    to_volume = np.diag([*step, 1.0])
    to_volume[:3, 3] = step / 2 - 0.5
    smooth = ndimage.uniform_filter(
        volume.astype(np.float32, copy=False), np.maximum(np.rint(step), 1).astype(int)
    )
    return sample(smooth, np.eye(4), shape, to_volume), to_volume


def from_ras(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Undo :func:`to_ras`, with the same affine: that of the volume as stored."""
    back = ornt_transform(_RAS, io_orientation(affine))
    return np.ascontiguousarray(apply_orientation(volume, back))


def check_volume(volume: Any) -> np.ndarray:
    """Refuse what is not a plain volume of numbers.

    Parameters
    ----------
    volume
        Volume as a caller may give it.

    Returns
    -------
    numpy.ndarray
        float32, 3-D, finite; `volume` itself where it is that.

    Raises
    ------
    ImageError
        Naming what was given, and what to give instead.
    """
    if isinstance(volume, str | Path):
        raise ImageError(
            f"a path ({volume}), not an array; load it first: "
            "nibabel.load(path).get_fdata(dtype='float32')"
        )
    if isinstance(volume, np.ma.MaskedArray):
        raise ImageError("a masked array; fill it first: volume.filled(0)")
    if not isinstance(volume, np.ndarray):
        raise ImageError(
            f"{type(volume).__name__}, not a NumPy array; give the voxels as one, such as "
            "image.get_fdata() of nibabel"
        )
    if volume.dtype.kind not in "iuf":
        raise ImageError(f"voxels of type {volume.dtype}, not plain numbers; convert to float32")
    if volume.ndim != 3:
        raise ImageError(f"{volume.ndim}-D array; give one volume")
    if volume.size == 0:
        raise ImageError(f"no voxels: the shape is {volume.shape}; give one volume")
    with np.errstate(over="ignore"):
        values = np.asarray(volume).astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        raise ImageError("NaN or infinite voxels; set them to 0 first")
    return values


def check_affine(affine: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Refuse what does not say where the voxels of a head lie.

    Parameters
    ----------
    affine
        Affine as a caller may give it.
    shape
        Shape of the volume.

    Returns
    -------
    numpy.ndarray
        4 x 4, float64.

    Raises
    ------
    ImageError
        Naming what is wrong with it.
    """
    try:
        matrix = np.asarray(affine, dtype=np.float64)
    except (TypeError, ValueError):
        raise ImageError(
            f"the affine is a {type(affine).__name__}, not a 4 x 4 matrix; give image.affine"
        ) from None
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ImageError("the affine is not a 4 x 4 matrix of finite numbers; give image.affine")
    if not np.array_equal(matrix[3], (0, 0, 0, 1)):
        raise ImageError("the last row of the affine is not 0 0 0 1; give image.affine")
    zooms = voxel_sizes(matrix)
    if zooms.min() < _SMALLEST or np.max(zooms * shape) > _LARGEST:
        sides = " x ".join(f"{zoom:.6g}" for zoom in zooms)
        raise ImageError(f"the affine makes voxels of {sides} mm: no head; check its units")
    if abs(np.linalg.det(matrix[:3, :3])) < 1e-3 * np.prod(zooms):
        raise ImageError("the affine is flat: two of its axes run alike; give image.affine")
    return matrix


def network_grid(
    shape: tuple[int, ...], affine: np.ndarray
) -> tuple[tuple[int, ...], np.ndarray] | None:
    """Find the grid of :data:`VOXEL` mm over a volume, along its own axes and around its centre.

    Parameters
    ----------
    shape
        Voxels of the volume along each axis.
    affine
        Affine, 4 x 4, voxel indices to mm.

    Returns
    -------
    tuple or None
        Shape and affine of the grid; None where the voxels are of that size already.
    """
    zooms = voxel_sizes(affine)
    if np.allclose(zooms, VOXEL, rtol=0, atol=NEAR * VOXEL):
        return None
    length = (np.array(shape) - 1) * zooms
    new_shape = np.ceil(length / VOXEL).astype(int) + 1
    # Index in the volume of the first voxel's centre; both grids have one centre.
    start = (length - (new_shape - 1) * VOXEL) / 2 / zooms
    to_volume = np.diag([*(VOXEL / zooms), 1.0])
    to_volume[:3, 3] = start
    return tuple(map(int, new_shape)), affine @ to_volume
