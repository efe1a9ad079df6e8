"""What is accepted as a volume and as its affine, and the grid that a network takes it on."""

from pathlib import Path
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes

from clinica_t1nce.errors import ImageError

VOXEL = 1.0
"""Side, in mm, of the voxels that networks are trained on: those of t1-linear."""

NEAR = 0.05
"""Fraction by which voxels may differ from :data:`VOXEL` and be taken as they are."""

_LARGEST = 1000.0
"""Side of a field of view, in mm, beyond which an affine is not one of a head."""

_SMALLEST = 0.05
"""Side of a voxel, in mm, below which an affine is not one of a head."""


def check_volume(volume: Any) -> np.ndarray:
    """Refuse what is not a plain volume of numbers; give it as float32, itself where it is that.

    ImageError names what was given, and what to give instead.
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
    """Refuse what does not say where the voxels of a head lie; give it as 4 x 4, float64.

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

    Its shape and affine; None where the voxels are of that size already.
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
