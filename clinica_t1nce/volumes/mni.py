"""Where a head lies in MNI space: its brain on that of the template that comes with nilearn.

t1-linear registers whole heads on a template that it downloads. Here nothing is downloaded: the
brain is found by deepbet, unless the image is a brain without its head, and laid on the ICBM 152
2009a symmetric brain.
"""

import warnings
from functools import lru_cache
from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from clinica_t1nce.errors import ImageError, one_line
from clinica_t1nce.volumes import bias, grids
from clinica_t1nce.volumes.itk import register_volumes

CROP_AFFINE = np.array([[1, 0, 0, -84], [0, 1, 0, -119], [0, 0, 1, -78], [0, 0, 0, 1.0]])
"""Affine of t1-linear's crops."""

REFERENCE = "MNI152NLin2009aSym, the template that comes with nilearn"

SIDE = 2.0
"""Side, in mm, of the voxels on which brains are found and registered."""

BRAIN = (600.0, 2300.0)
"""Least and greatest volume, in ml, of a brain with the fluid around it, on voxels of :data:`SIDE`;
what is not 0 of a whole head is more."""

OVERLAP = 0.9
"""Overlap (Dice) of the brain with the template's from which a registration is trusted: 0.95 for
real brains, 0.84 if they are shifted by 15 mm from there, 0.90 if they are turned by 15 degrees."""


class Corrected(NamedTuple):
    """A volume as t1-linear would show it.

    Attributes
    ----------
    volume
        The volume without its bias field, on its own grid.
    field
        The bias field, on the same grid.
    pose
        4 x 4, mm of MNI space to mm of the volume; None: no affine was found.
    on_crop
        The volume without its bias field on the grid that was asked for; None without a pose.
    problem
        Why no affine was found.
    """

    volume: np.ndarray
    field: np.ndarray
    pose: np.ndarray | None = None
    on_crop: np.ndarray | None = None
    problem: str = ""


def correct(
    volume: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], crop_affine: np.ndarray
) -> Corrected:
    """Do what t1-linear does: N4, then an affine to MNI space.

    Parameters
    ----------
    volume
        T1w, its background at 0; three axes, any voxel size.
    affine
        4 x 4, voxel indices to mm, RAS+.
    shape, crop_affine
        Grid of a crop in MNI space.
    """
    field = bias.measure_bias(volume, affine)
    flat = volume / field
    try:
        pose = find_pose(flat, affine)
    except ImageError as error:
        return Corrected(flat, field, problem=str(error))
    return Corrected(flat, field, pose, grids.sample(flat, affine, shape, crop_affine, pose))


def find_pose(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Find the affine that brings a head to MNI space.

    Parameters
    ----------
    volume
        T1w without bias field, its background at 0; three axes, any voxel size.
    affine
        4 x 4, voxel indices to mm, RAS+.

    Returns
    -------
    numpy.ndarray
        4 x 4: points of MNI space to points of the image, in mm.

    Raises
    ------
    ImageError
        If no whole brain is found, or it does not come to lie on the template's.
    """
    coarse, to_volume = grids.coarsen(volume, affine, SIDE)
    coarse_affine = affine @ to_volume
    stripped = is_stripped(coarse, coarse_affine)
    mask = coarse > 0 if stripped else deepbet_mask(coarse, coarse_affine)
    size = _millilitres(mask, coarse_affine)
    if not BRAIN[0] <= size <= BRAIN[1]:
        raise ImageError(f"{size:.0f} ml of brain were found, not {BRAIN[0]:g} to {BRAIN[1]:g}")
    template, template_affine = load_template()
    pose = register_volumes(
        np.where(mask, coarse, 0),
        _without_shear(coarse_affine),
        template,
        template_affine,
        kind="affine",
        points=200_000,
    )
    # Of a sheared image, ANTs was shown one without: the shear is a part of the pose.
    pose = coarse_affine @ np.linalg.inv(_without_shear(coarse_affine)) @ pose
    moved = grids.sample(mask, coarse_affine, template.shape, template_affine, pose) >= 0.5
    brain = template > 0
    overlap = 2 * np.count_nonzero(moved & brain) / (moved.sum() + brain.sum())
    if overlap < OVERLAP:
        raise ImageError(f"brain and template overlap by {overlap:.2f} only")
    return pose


def is_stripped(volume: np.ndarray, affine: np.ndarray) -> bool:
    """Say whether an image shows a brain without its head: whether it is as small as a brain.

    Parameters
    ----------
    volume
        T1w, its background at 0.
    affine
        4 x 4, voxel indices to mm.
    """
    return _millilitres(volume > 0, affine) <= BRAIN[1]


def deepbet_mask(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Find the brain of a whole head by deepbet, on the CPU.

    Parameters
    ----------
    volume
        T1w, three axes.
    affine
        4 x 4, voxel indices to mm, RAS+.

    Returns
    -------
    numpy.ndarray
        Boolean.

    Raises
    ------
    ImageError
        If it fails.
    """
    with warnings.catch_warnings():
        # Of PyTorch, about the format of deepbet's weights.
        warnings.simplefilter("ignore", DeprecationWarning)
        import deepbet

        extraction = deepbet.BrainExtraction(no_gpu=True)
    try:
        _, mask, _ = extraction.run(nib.Nifti1Image(volume.astype(np.float32), affine))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ImageError(
            f"deepbet found no brain ({one_line(error)}); check the image, or give a "
            "mask of your own"
        ) from error
    return np.asarray(mask.dataobj) > 0


@lru_cache
def load_template() -> tuple[np.ndarray, np.ndarray]:
    """Load the template's brain, on voxels of :data:`SIDE`.

    Returns
    -------
    volume, affine : numpy.ndarray
        Brain without its head, and its affine, 4 x 4, voxel indices to mm.
    """
    from nilearn.datasets import load_mni152_template

    image = load_mni152_template(resolution=1)
    coarse, to_image = grids.coarsen(image.get_fdata(dtype=np.float32), image.affine, SIDE)
    return coarse, image.affine @ to_image


def _millilitres(mask: np.ndarray, affine: np.ndarray) -> float:
    return float(np.count_nonzero(mask) * abs(np.linalg.det(affine[:3, :3])) / 1000)


def _without_shear(affine: np.ndarray) -> np.ndarray:
    """Give the nearest affine with orthogonal axes."""
    zooms = voxel_sizes(affine)
    left, _, right = np.linalg.svd(affine[:3, :3] / zooms)
    plain = affine.copy()
    plain[:3, :3] = left @ right * zooms
    return plain
