"""Where enhancement is to be expected without a lesion, in MNI space: vessels, dura, plexus.

The map that comes with the package is the mean of 20 heads, blurred; ``benchmarks/vessel_prior.py``
makes it again.

Notice: the map is derived from the training label maps of SynthSeg (Billot et al., Medical Image
Analysis 2023), Apache License 2.0, https://www.apache.org/licenses/LICENSE-2.0; they were moved to
MNI space, reduced to one class of structures, averaged and blurred.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from clinica_t1nce.files import nifti
from clinica_t1nce.volumes import grids

PATH = Path(__file__).with_suffix(".nii.gz")

LIKELY = 0.25
"""Probability from which a voxel counts as a place of vessels, dura or choroid plexus."""

HIGHEST = 254
"""What stands for the probability 1 in the file, above 1 for 0; 0 is outside the skull."""


@dataclass(frozen=True)
class Place:
    """How much of what was removed lies where enhancement is to be expected without a lesion.

    Attributes
    ----------
    share
        Part of the signal removed inside the skull that lies at vessels, dura or choroid plexus,
        0 to 1.
    expected
        Part of the voxels inside the skull that lie there: what an even change would give.
    """

    share: float
    expected: float


def sample_prior(
    shape: tuple[int, ...], affine: np.ndarray, to_mni: np.ndarray | None = None
) -> np.ndarray:
    """Bring the prior to a grid.

    Parameters
    ----------
    shape
        Voxels along the three axes.
    affine
        Affine, 4 x 4, voxel indices to mm, RAS+.
    to_mni
        Transform, 4 x 4, from mm of the grid's space to mm of MNI space; None: it is MNI space.

    Returns
    -------
    numpy.ndarray
        float32: probability, 0 to 1; NaN outside the skull.
    """
    stored, own = _load()
    sampled = grids.sample(stored, own, shape, affine, to_mni)
    return np.where(sampled >= 0.5, np.clip((sampled - 1) / HIGHEST, 0, 1), np.nan)


def locate(
    change: np.ndarray, affine: np.ndarray, to_mni: np.ndarray | None = None
) -> Place | None:
    """Say how much of a change lies where vessels, dura or choroid plexus are likely.

    Parameters
    ----------
    change
        T1ce - T1nce, any unit; what was added does not count.
    affine
        Affine, 4 x 4, voxel indices to mm, RAS+.
    to_mni
        Transform, 4 x 4, from mm of the image's space to mm of MNI space; None: it is MNI space.

    Returns
    -------
    Place or None
        None if nothing was removed inside the skull.
    """
    likely, inside = _regions(
        change.shape, affine.tobytes(), None if to_mni is None else to_mni.tobytes()
    )
    removed = np.maximum(change[inside], 0).astype(np.float64)
    if not removed.sum() > 0:
        return None
    there = likely[inside]
    return Place(float(removed[there].sum() / removed.sum()), float(there.mean()))


@lru_cache(maxsize=1)
def _regions(
    shape: tuple[int, ...], affine: bytes, to_mni: bytes | None
) -> tuple[np.ndarray, np.ndarray]:
    # Crops of t1-linear have one grid.
    moved = None if to_mni is None else np.frombuffer(to_mni).reshape(4, 4)
    prior = sample_prior(shape, np.frombuffer(affine).reshape(4, 4), moved)
    return prior >= LIKELY, np.isfinite(prior)


@lru_cache(maxsize=1)
def _load() -> tuple[np.ndarray, np.ndarray]:
    image = nifti.load(PATH)
    return image.data, image.affine
