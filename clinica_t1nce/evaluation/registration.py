"""Alignment of the two images of one visit, with ANTs.

t1-linear brings the T1ce and the T1nce to MNI space each on its own: affine transforms, estimated
from different contrasts, leave the two up to a millimetre or two apart.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import ImageError
from clinica_t1nce.volumes.itk import register_volumes


@dataclass(frozen=True, eq=False)
class Alignment:
    """An image brought to the grid of another one.

    Attributes
    ----------
    image
        Volume, float32, on the fixed image's grid; 0 where the moving image does not reach.
    transform
        Matrix, 4 x 4, RAS+ mm, that takes a point of the *fixed* image to the same anatomy in the
        *moving* one (the direction in which images are resampled).
    """

    image: np.ndarray
    transform: np.ndarray


def align_images(
    moving: np.ndarray,
    moving_affine: np.ndarray,
    fixed: np.ndarray,
    fixed_affine: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    kind: str = "rigid",
    seed: int = 1,
) -> Alignment:
    """Bring one image to the grid of another image of the same head, and resample it once.

    The movement is found by :func:`clinica_t1nce.volumes.itk.register_volumes`. The resampling
    is a cubic B-spline; what it overshoots is clipped to the moving image's range.

    Parameters
    ----------
    moving, fixed
        Volumes of one person.
    moving_affine, fixed_affine
        Affines, 4 x 4, voxel indices to mm, RAS+; any orientation without shear.
    mask
        Boolean mask on the fixed grid, in which the images are compared; None: everywhere.
    kind
        Kind of transform: ``"rigid"`` (rotation and translation) or ``"affine"`` (scales and shears
        as well).
    seed
        Seed of the points at which ANTs samples the images.

    Returns
    -------
    Alignment

    Raises
    ------
    ImageError
        If a volume is constant or not 3-D, or the registration fails.
    """
    for name, volume in (("moving", moving), ("fixed", fixed)):
        if volume.ndim != 3 or volume.min() == volume.max():
            raise ImageError(f"the {name} image is constant or not 3-D; check it")
    transform = register_volumes(
        moving, moving_affine, fixed, fixed_affine, mask=mask, kind=kind, seed=seed
    )
    return Alignment(
        resample_cubic(moving, moving_affine, fixed.shape, fixed_affine, transform), transform
    )


def resample_cubic(
    volume: np.ndarray,
    affine: np.ndarray,
    shape: tuple[int, ...],
    target_affine: np.ndarray,
    transform: np.ndarray | None = None,
) -> np.ndarray:
    """Resample a volume onto another grid with a cubic B-spline.

    Parameters
    ----------
    volume, affine
        Volume and its affine.
    shape, target_affine
        Shape and affine of the other grid.
    transform
        Transform, as :attr:`Alignment.transform`; None: the two lie in one space.

    Returns
    -------
    numpy.ndarray
        float32, within the range of `volume`; 0 outside its field of view and where `volume`
        is 0, as around a skull-stripped brain.
    """
    between = np.eye(4) if transform is None else transform
    indices = np.linalg.inv(affine) @ between @ target_affine

    def onto_grid(values: np.ndarray, order: int) -> np.ndarray:
        resampled: np.ndarray = ndimage.affine_transform(
            values, indices[:3, :3], indices[:3, 3], output_shape=shape, order=order
        )
        return resampled

    # A spline rings at the edge of a skull-stripped brain: neither should the air around it be
    # filled with ripples, nor a bright vessel become brighter.
    filled = onto_grid((volume != 0).astype(np.float32), order=1) > 0.5
    low, high = float(min(volume.min(), 0)), float(max(volume.max(), 0))
    result = np.clip(onto_grid(volume.astype(np.float64), order=3), low, high)
    return np.where(filled, result, 0).astype(np.float32)


def move_labels(
    labels: np.ndarray,
    affine: np.ndarray,
    shape: tuple[int, ...],
    target_affine: np.ndarray,
    transform: np.ndarray,
) -> np.ndarray:
    """Resample a label map onto another grid.

    Each label is interpolated linearly, and the largest wins.

    Parameters
    ----------
    labels, affine, shape, target_affine, transform
        Label map, grid and transform, as for :func:`resample_cubic`.

    Returns
    -------
    numpy.ndarray
        Of the type of `labels`; 0 outside its field of view.
    """
    indices = np.linalg.inv(affine) @ transform @ target_affine
    best = np.zeros(shape, np.float32)
    moved = np.zeros(shape, labels.dtype)
    for label in np.unique(labels):
        share = ndimage.affine_transform(
            (labels == label).astype(np.float32),
            indices[:3, :3],
            indices[:3, 3],
            output_shape=shape,
            order=1,
        )
        wins = share > best
        moved[wins], best[wins] = label, share[wins]
    return moved
