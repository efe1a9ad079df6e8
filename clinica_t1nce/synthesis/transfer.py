"""Transfer what a generator changed to another grid: the whole t1-linear grid, or the raw image's.

Only the change travels. What had no gadolinium keeps the values, and the resolution, of the image
that it is transferred to; nothing of that image is interpolated.
"""

import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import TransformError
from clinica_t1nce.synthesis.conditioning import Conditioned, condition
from clinica_t1nce.volumes import grids, intensity

GAIN_WIDTH = 12.0
"""Standard deviation, in voxels of 1 mm, over which receive gains are compared: bias fields
are as smooth as that, anatomy is not."""

_POOL = 4
"""Voxels whose average is enough to find something as smooth."""

ROUGH = 8
"""Side, in voxels of 1 mm, of cubes whose averages say whether two images show one head in one
place, bent or not."""

NEGLIGIBLE = 0.005
"""A change below this fraction of bright tissue's brightness is none: far below any noise."""

SAME = 0.98
"""Correlation from which two images show one head on the same voxels: one linear interpolation and
another correlate to more than 0.99, images that were warped in between to far less."""

RELATED = 0.7
"""Rough correlation below which two images do not lie on each other. Simulated heads on themselves,
bent by as much as 4 mm (standard deviation), correlate to more; turned by 20 degrees or moved by 20
mm, to 0.60 or less."""


def without_negligible(change: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Set to 0 what a network leaves of a change where there is none: :data:`NEGLIGIBLE`.

    Parameters
    ----------
    change
        Change, of any shape.
    image
        Image that the network was given, of the same shape and in the same units.
    """
    bright = intensity.measure_percentile(image).factor
    return np.where(np.abs(change) < NEGLIGIBLE * bright, np.float32(0), change)


def transfer(
    change: np.ndarray,
    affine: np.ndarray,
    image: np.ndarray | Conditioned,
    image_affine: np.ndarray,
    transform: np.ndarray | None = None,
    gain: np.ndarray | None = None,
) -> np.ndarray:
    """Take a change that was found on one grid from an image on another.

    Parameters
    ----------
    change
        Change on the first grid, D x H x W.
    affine
        Affine, 4 x 4, voxel indices of `change` to mm, RAS+.
    image
        Image on the other grid, conditioned or as it came.
    image_affine
        Affine, 4 x 4, voxel indices of `image` to mm, RAS+.
    transform
        Transform, 4 x 4, from mm of the first grid's space to mm of the image's; None: they are one
        space.
    gain
        Number of units of `image` that make one of `change`, on the first grid; None: one. See
        :func:`measure_gain`.

    Returns
    -------
    numpy.ndarray
        Image less the change; see
        :meth:`clinica_t1nce.synthesis.conditioning.Conditioned.subtract`.
    """
    given = image if isinstance(image, Conditioned) else condition(image)
    scaled = change if gain is None else change * gain
    back = None if transform is None else np.linalg.inv(transform)
    return given.subtract(grids.sample(scaled, affine, given.image.shape, image_affine, back))


def measure_gain(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Compare the receive gains of two images of one head, as before and after a bias correction.

    Parameters
    ----------
    image, reference
        Images on one grid of about 1 mm. They need not match voxel by voxel.

    Returns
    -------
    numpy.ndarray
        float32, positive, smooth: `reference` times it has the local brightness of `image`. 1
        where neither shows anything.
    """
    both = intensity.foreground(image) & intensity.foreground(reference)
    if not both.any():
        return np.ones(image.shape, np.float32)
    sums = [_pool(np.where(both, volume, 0), _POOL) for volume in (image, reference)]
    overall = float(sums[0].sum() / sums[1].sum())
    above, below = (
        ndimage.gaussian_filter(pooled, GAIN_WIDTH / _POOL, mode="constant", truncate=3)
        for pooled in sums
    )
    # Far from the head both fade to nothing: the overall ratio takes over there.
    pad = 1e-3 * float(below.max())
    coarse = (above + overall * pad) / (below + pad)
    fine: np.ndarray = ndimage.zoom(coarse, _POOL, order=1, mode="nearest", grid_mode=True)
    return fine[tuple(map(slice, image.shape))].astype(np.float32, copy=False)


def _pool(volume: np.ndarray, width: int) -> np.ndarray:
    """Average over cubes of voxels, zeros beyond the end."""
    padded = np.pad(volume, [(0, -side % width) for side in volume.shape])
    shape = [part for side in padded.shape for part in (side // width, width)]
    return padded.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)


def measure_correlation(image: np.ndarray, reference: np.ndarray) -> float:
    """Measure how well two images of one grid lie on each other.

    Parameters
    ----------
    image, reference
        Images of one shape and of the same receive gain (:func:`measure_gain`).

    Returns
    -------
    float
        Pearson's correlation where at least one of them shows the head; 0 if nothing does.
    """
    either = intensity.foreground(image) | intensity.foreground(reference)
    if either.sum() < 2:
        return 0.0
    a, b = (volume[either].astype(np.float64) for volume in (image, reference))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0


def measure_rough_correlation(image: np.ndarray, reference: np.ndarray) -> float:
    """Correlate two images as :func:`measure_correlation`, averaged over cubes of :data:`ROUGH` mm.

    That forgives the bending of a non-linear registration. Voxels are of 1 mm.
    """
    return measure_correlation(_pool(image, ROUGH), _pool(reference, ROUGH))


def require_related(image: np.ndarray, reference: np.ndarray, what: str) -> None:
    """Raise TransformError, a message that begins with `what`, unless images lie on each other.

    They do if :func:`measure_rough_correlation` gives at least :data:`RELATED`.
    """
    found = measure_rough_correlation(image, reference)
    if found < RELATED:
        raise TransformError(
            f"{what} (in cubes of {ROUGH} mm they agree to {found:.2f}, not to {RELATED:g}); "
            "run `clinica run t1-linear` again for this visit"
        )
