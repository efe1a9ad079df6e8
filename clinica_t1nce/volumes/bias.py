"""The bias field of an image of any voxel size, by ANTs' N4."""

from typing import Any

import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import ImageError, one_line
from clinica_t1nce.volumes import grids, intensity

SIDE = 6.0
"""Side, in mm, of the voxels that N4 is given: the field is far smoother."""

DISTANCE = 200
"""Distance, in mm, of the knots of the field's spline: that of t1-linear since Clinica 0.12."""

FEWEST = 150
"""Voxels of :data:`SIDE` in the head below which there is no field to measure: 32 ml."""


def measure_bias(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Measure how much brighter each place came out than it would without a bias field.

    Parameters
    ----------
    volume
        T1w, its background at 0; three axes of any direction and voxel size.
    affine
        Matrix, 4 x 4, voxel indices to mm.

    Returns
    -------
    numpy.ndarray
        float32, in the shape of `volume`, positive, smooth: `volume` over it has no bias. 1
        everywhere if the head is too small to tell (:data:`FEWEST`).

    Raises
    ------
    ImageError
        If ANTs fails.
    """
    coarse, to_volume = grids.coarsen(np.maximum(volume, 0), affine, SIDE)
    head = intensity.foreground(coarse)
    if head.sum() < FEWEST:
        return np.ones(volume.shape, np.float32)
    field = _run_n4(coarse, head)
    # As far as the field's grid does not reach, its nearest value holds.
    from_volume = np.linalg.inv(to_volume)
    found: np.ndarray = ndimage.affine_transform(
        field,
        from_volume[:3, :3],
        from_volume[:3, 3],
        output_shape=volume.shape,
        order=1,
        mode="nearest",
    )
    return found


def _run_n4(volume: np.ndarray, mask: np.ndarray) -> np.ndarray:
    import ants

    def to_ants(values: np.ndarray) -> Any:
        return ants.from_numpy(values.astype(np.float32), spacing=(SIDE,) * 3)

    try:
        found = ants.n4_bias_field_correction(
            to_ants(volume),
            mask=to_ants(mask),
            shrink_factor=1,
            convergence={"iters": [20] * 3, "tol": 1e-5},
            spline_param=DISTANCE,
            return_bias_field=True,
        ).numpy()
    except Exception as error:
        # ANTsPy raises bare Exceptions.
        raise ImageError(
            f"ANTs could not measure the bias field ({one_line(error)}); check the image"
        ) from error
    if not np.isfinite(found).all() or found.min() <= 0:
        raise ImageError("ANTs measured no usable bias field; check the image")
    return np.asarray(found, dtype=np.float32)
