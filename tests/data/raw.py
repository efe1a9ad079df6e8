"""A raw image in a BIDS, and what t1-linear makes of it in a CAPS: crop, whole image, affine."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from clinica_t1nce.files.nifti import CROP_SHAPE
from clinica_t1nce.volumes import grids
from tests.data import volumes
from tests.data.caps import crop_path
from tests.data.transforms import matrix, write_itk

FULL_SHAPE = (193, 229, 193)
FULL_AFFINE = np.array([[1.0, 0, 0, -96], [0, 1, 0, -132], [0, 0, 1, -78], [0, 0, 0, 1]])
CROP_START = (12, 13, 0)
CROP_AFFINE = FULL_AFFINE @ np.array([[1, 0, 0, 12], [0, 1, 0, 13], [0, 0, 1, 0], [0, 0, 0, 1.0]])
RAW_SHAPE = (64, 76, 34)


@dataclass(frozen=True)
class Visit:
    """Where everything lies."""

    caps: Path
    bids: Path
    crop: Path
    full: Path
    affine: Path
    raw: Path
    transform: np.ndarray


def make_visit(
    root: Path,
    *,
    kind: str = "las",
    zooms: tuple[float, float, float] = (2.5, 2.5, 5),
    dtype: np.typing.DTypeLike = np.int16,
    warp: bool = False,
    constant: float = 0.0,
) -> Visit:
    """Make one T1ce of a skull-stripped head, ``sub-01 ses-1``, entity ``ce-gd``.

    With a warp, the images of t1-linear are bent after the affine, as with ``--use-antspy``. With
    a constant, it is added to the raw image; beyond that image's field of view, those of t1-linear
    are 0 all the same.
    """
    caps, bids, transform = root / "caps", root / "bids", matrix(angle=0.1, scale=0.95)
    data = volumes.enhance(volumes.brain(RAW_SHAPE)) + constant
    affine = volumes.affine(kind, zooms=zooms, shape=RAW_SHAPE)
    raw = bids / "sub-01" / "ses-1" / "anat" / "sub-01_ses-1_ce-gd_T1w.nii.gz"
    volumes.write(raw, data, affine, dtype=dtype, sform_code=1, qform_code=1)
    stored = nib.load(raw)
    moved = grids.sample(
        np.asarray(stored.dataobj), stored.affine, FULL_SHAPE, FULL_AFFINE, transform
    )
    if warp:
        x, y, z = np.meshgrid(*(np.arange(side) for side in FULL_SHAPE), indexing="ij", sparse=True)
        bent = [x + 4 * np.sin(y / 15), y + 4 * np.sin(z / 15), z + 4 * np.sin(x / 15)]
        places = np.array(np.broadcast_arrays(*bent), dtype=np.float32)
        moved = ndimage.map_coordinates(moved, places, order=1)
    crop = crop_path(caps, "sub-01", "ses-1", "ce-gd")
    full = crop.with_name(crop.name.replace("_desc-Crop", ""))
    inside = tuple(
        slice(start, start + side) for start, side in zip(CROP_START, CROP_SHAPE, strict=True)
    )
    volumes.write(crop, moved[inside], CROP_AFFINE)
    volumes.write(full, moved, FULL_AFFINE, sform_code=1, qform_code=1)
    mat = write_itk(full.with_name(full.name.replace("_T1w.nii.gz", "_affine.mat")), transform)
    return Visit(caps, bids, crop, full, mat, raw, transform)
