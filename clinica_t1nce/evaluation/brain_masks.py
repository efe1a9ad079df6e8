"""Brain masks of T1w images: by deepbet, by HD-BET, of the template, or of the image itself.

Notice: the template's mask that comes with the package, and with nilearn, is made from the ICBM 152
nonlinear symmetric atlas (2009a), Copyright (C) 1993-2009 Louis Collins, McConnell Brain Imaging
Centre, Montreal Neurological Institute, McGill University. Permission to use, copy, modify, and
distribute it for any purpose and without fee is granted, provided that this copyright notice
appears in all copies. It is provided "as is", without express or implied warranty.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import ImageError, OutputError
from clinica_t1nce.evaluation.volumes import labelled_volume
from clinica_t1nce.volumes.grids import is_skull_stripped
from clinica_t1nce.volumes.mni import deepbet_mask

STRIPPED = "skull-stripped already"
"""Where the mask of an image without a skull comes from."""

HD_BET = "hd-bet"

TEMPLATE = Path(__file__).with_name("mni_brain.nii.gz")
"""Result of nilearn's ``load_mni152_brain_mask(resolution=1)``, which loads much that pages do not
need."""

_LITTLE = 100
"""cm3. A brain is larger, even a part of one: anything smaller is a failure."""


def brain_mask(volume: np.ndarray, affine: np.ndarray, method: str) -> tuple[np.ndarray, str]:
    """Find the brain of a T1w image.

    An image that is skull-stripped already is its own mask: where it exceeds 0.

    Parameters
    ----------
    volume
        Crop of t1-linear, or another image in MNI space.
    affine
        Affine, 4 x 4, voxel indices to mm, RAS+.
    method
        Key of :data:`METHODS`.

    Returns
    -------
    mask : numpy.ndarray
        Boolean.
    source : str
        `method`, or :data:`STRIPPED`.

    Raises
    ------
    ImageError
        If no brain is found.
    OutputError
        If HD-BET is not there, or fails.
    """
    if is_skull_stripped(volume):
        return volume > 0, STRIPPED
    mask = METHODS[method](volume, affine)
    size = labelled_volume(mask, affine)
    if size < _LITTLE:
        raise ImageError(
            f"{method} found {size:.0f} cm3 of brain; check the image, or give a mask of your own"
        )
    return mask, method


def _hd_bet(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    if shutil.which(HD_BET) is None:
        raise OutputError(
            "hd-bet: no such command; install it (pip install 'clinica-t1nce[hd-bet]') with its "
            "weights, or take another --brain-mask"
        )
    with tempfile.TemporaryDirectory(prefix="hd-bet-") as folder:
        image, out = Path(folder, "image.nii.gz"), Path(folder, "brain.nii.gz")
        nib.save(nib.Nifti1Image(volume.astype(np.float32), affine), image)
        command = [HD_BET, "-i", str(image), "-o", str(out), "-device", "cpu"]
        options = ["--disable_tta", "--save_bet_mask", "--no_bet_image"]
        done = subprocess.run(
            [*command, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        mask = out.with_name("brain_bet.nii.gz")
        if done.returncode != 0 or not mask.exists():
            said = (done.stderr or done.stdout).strip().rpartition("\n")[-1] or "it said nothing"
            raise OutputError(
                f"hd-bet made no mask (exit code {done.returncode}: {said}); see that it "
                "works on its own, with its weights, or take another --brain-mask"
            )
        return np.asarray(nib.Nifti1Image.from_filename(mask).dataobj) > 0


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "deepbet": deepbet_mask,
    HD_BET: _hd_bet,
    "template": lambda volume, affine: template_mask(volume.shape, affine),
}
"""What makes a mask of a volume and its affine. deepbet comes with its weights; HD-BET, which the
paper used, is run by its own command and takes minutes on a CPU; the template's brain is nobody's
own, but needs nothing."""


def union_mask(*masks: np.ndarray) -> np.ndarray:
    """Join the brain masks of a pair, boolean, as the paper does (section 6).

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
        Shape of the grid.
    affine
        Affine, 4 x 4, voxel indices to mm in MNI space, RAS+.

    Returns
    -------
    numpy.ndarray
        Boolean mask of `shape`.
    """
    template = nib.Nifti1Image.from_filename(TEMPLATE)
    to_template = np.linalg.inv(template.affine) @ affine
    mask: np.ndarray = ndimage.affine_transform(
        np.asarray(template.dataobj, dtype=np.uint8),
        to_template[:3, :3],
        to_template[:3, 3],
        output_shape=tuple(shape),
        order=0,
    ).astype(bool)
    return mask
