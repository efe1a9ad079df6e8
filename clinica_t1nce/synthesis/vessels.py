"""Read the map of what was removed: where it is vessels."""

import numpy as np
from nibabel.affines import voxel_sizes
from scipy import ndimage

from clinica_t1nce.volumes import grids, intensity

BRIGHTER = 0.25
"""A vessel lost at least this fraction of the brightness of bright tissue."""

THICKEST = 8.0
"""What is thicker, in mm, is no vessel but a lesion, a muscle or the pituitary."""

DEEPEST_SCALP = 12.0
"""In a whole head, what lies less deep under the air, in mm, is scalp or skull."""

SMALLEST = 10.0
"""What is smaller, in mm3, is noise."""

AIR = 0.1
"""Air is darker than this fraction of the brightness of bright tissue."""


def threshold(image: np.ndarray) -> float:
    """Return the change from which a voxel of a T1ce may be a vessel; see :data:`BRIGHTER`."""
    return BRIGHTER * float(intensity.measure_percentile(image).factor)


def vessel_mask(change: np.ndarray, image: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Find the vessels in a map of enhancement: thin, connected, clearly enhanced.

    Everything that lost at least :data:`BRIGHTER` of bright tissue's brightness, but what a ball
    of :data:`THICKEST` mm fits into, pieces below :data:`SMALLEST` mm3, and the scalp of a whole
    head (:data:`DEEPEST_SCALP`). Choroid plexus, enhancing meninges and thin rims of lesions are
    thin as well, and are in it.

    Parameters
    ----------
    change
        Change, T1ce - T1nce, on the crop's grid.
    image
        T1ce, on the same grid and in the same units.
    affine
        Affine, 4 x 4, voxel indices to mm.

    Returns
    -------
    numpy.ndarray
        Boolean mask.
    """
    zooms = voxel_sizes(affine)
    enhanced = change > threshold(image)
    if not grids.is_skull_stripped(image):
        head = ndimage.binary_fill_holes(image > AIR * intensity.measure_percentile(image).factor)
        enhanced &= ndimage.distance_transform_edt(head, zooms) > DEEPEST_SCALP
    mask = np.zeros(image.shape, bool)
    box = grids.nonzero_box(enhanced, margin=1)
    mask[box] = _large(_thin(enhanced[box], zooms), zooms)
    return mask


def _thin(mask: np.ndarray, zooms: np.ndarray) -> np.ndarray:
    """Leave out what a ball fits into, the ball included."""
    # Distances are to the nearest voxel centre outside, half a voxel beyond the surface.
    cores = ndimage.distance_transform_edt(mask, zooms) > (THICKEST + zooms.min()) / 2
    if not cores.any():
        return mask
    thin: np.ndarray = mask & (
        ndimage.distance_transform_edt(~cores, zooms) > THICKEST / 2 + 2 * zooms.max()
    )
    return thin


def _large(mask: np.ndarray, zooms: np.ndarray) -> np.ndarray:
    labels, n_pieces = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=n_pieces + 1) * float(np.prod(zooms))
    sizes[0] = 0
    large: np.ndarray = (sizes >= SMALLEST)[labels]
    return large
