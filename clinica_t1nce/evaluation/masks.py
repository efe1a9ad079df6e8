"""Where the brain is, as far as it can be said without a segmentation."""

import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import ImageError
from clinica_t1nce.grids import is_skull_stripped

__all__ = ["is_skull_stripped", "nonzero_mask", "template_mask", "union_mask"]


def nonzero_mask(*volumes: np.ndarray) -> np.ndarray:
    """Mask the brain of skull-stripped images: where all of them exceed 0.

    Negative voxels, which B-splines leave around a brain, are outside.

    Parameters
    ----------
    *volumes
        One or more, of one shape.

    Returns
    -------
    numpy.ndarray
        Boolean.
    """
    mask = np.ones(volumes[0].shape, bool)
    for volume in volumes:
        mask &= volume > 0
    return mask


def union_mask(*masks: np.ndarray) -> np.ndarray:
    """Join the brain masks of a pair, as the paper does (section 6).

    Parameters
    ----------
    *masks
        Boolean, of one shape.

    Returns
    -------
    numpy.ndarray
        Boolean: in any of them.

    Raises
    ------
    ImageError
        If shapes differ, or one of them is empty.
    """
    if len({mask.shape for mask in masks}) > 1:
        raise ImageError(f"brain masks of {[mask.shape for mask in masks]}; give one grid")
    for mask in masks:
        if not mask.any():
            raise ImageError("a brain mask is empty; give another one")
    joined: np.ndarray = np.any(masks, axis=0)
    return joined


def template_mask(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Bring the brain of the MNI152 template to a grid.

    The mask that nilearn makes from its bundled template (ICBM 152 2009a, symmetric), nearest
    neighbour. It is nobody's own brain: at the surface it is wrong by some millimetres, and
    takes in dura where a brain is smaller than the template. For whole heads in MNI space where
    no better mask is at hand.

    Parameters
    ----------
    shape
        Of the grid.
    affine
        4 x 4, voxel indices to mm in MNI space, RAS+.

    Returns
    -------
    numpy.ndarray
        Boolean, of `shape`.
    """
    from nilearn.datasets import load_mni152_brain_mask

    template = load_mni152_brain_mask(resolution=1)
    to_template = np.linalg.inv(template.affine) @ affine
    mask: np.ndarray = ndimage.affine_transform(
        np.asarray(template.dataobj, dtype=np.uint8),
        to_template[:3, :3],
        to_template[:3, 3],
        output_shape=tuple(shape),
        order=0,
    ).astype(bool)
    return mask
