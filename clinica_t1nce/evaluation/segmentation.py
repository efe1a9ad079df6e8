"""Gray matter, white matter and CSF of a brain in MNI space, by ANTs' N4 and Atropos."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import ImageError, one_line
from clinica_t1nce.evaluation.registration import resample_cubic
from clinica_t1nce.evaluation.volumes import most_probable
from clinica_t1nce.volumes.grids import nonzero_box
from clinica_t1nce.volumes.itk import to_ants

PRIOR_WEIGHT = 0.25
"""How much the priors count against the intensities (ANTs' own default)."""

ITERATIONS = 3
"""Of Atropos' expectation maximisation. On a real brain, gray matter shrank by 10 % from the
first to the third, and by 4 % from there to the fifth, at 6 s each."""

SMOOTHNESS = 0.1
"""Weight of the Markov random field over the 26 neighbours (that of antsAtroposN4.sh)."""

PRIOR_BLUR = 1.5
"""Standard deviation, mm, of the Gaussian that blurs the template's tissues: an affine
registration leaves gyri where they are."""

_MARGIN = 3


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A segmented brain.

    Attributes
    ----------
    labels
        Label map, uint8: 0 outside, 1 gray matter, 2 white matter, 3 CSF
        (:data:`clinica_t1nce.evaluation.volumes.TISSUES`).
    probabilities
        Tissue probabilities, float32, 3 x the image's shape, in the order of the labels; 0 outside
        the mask.
    """

    labels: np.ndarray
    probabilities: np.ndarray


def template_priors(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Bring the tissues of the MNI152 template that nilearn bundles to a grid.

    Gray and white matter are those of ICBM 152 2009a (symmetric), blurred; CSF is what they
    leave, so that in a brain mask the three add up to 1.

    Parameters
    ----------
    shape
        Shape of the grid.
    affine
        Affine, 4 x 4, voxel indices to mm in MNI space, RAS+.

    Returns
    -------
    numpy.ndarray
        float32, 3 x `shape`: gray matter, white matter, CSF.
    """
    from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template

    blur = PRIOR_BLUR / np.linalg.norm(affine[:3, :3], axis=0)
    maps = []
    for template in (load_mni152_gm_template(1), load_mni152_wm_template(1)):
        values = np.asarray(template.dataobj, dtype=np.float32)
        there = resample_cubic(values, template.affine, shape, affine)
        maps.append(np.clip(ndimage.gaussian_filter(there, blur), 0, 1))
    maps.append(np.clip(1 - maps[0] - maps[1], 0, 1))
    return np.stack(maps)


def segment(
    volume: np.ndarray, affine: np.ndarray, mask: np.ndarray, priors: np.ndarray | None = None
) -> Segmentation:
    """Segment a brain: N4 bias correction, then Atropos with tissue priors.

    Every voxel of the mask is given to one of the three tissues, so that images segmented in one
    mask have one total volume. The same input gives the same result.

    Parameters
    ----------
    volume
        Volume, 3-D, in any unit.
    affine
        Affine, 4 x 4, voxel indices to mm; MNI space if no `priors` are given.
    mask
        Boolean mask of the brain.
    priors
        Tissue priors, 3 x the volume's shape, in [0, 1]: gray matter, white matter, CSF; None for
        :func:`template_priors`.

    Raises
    ------
    ImageError
        If the mask is empty or of another shape, the image is constant in it, or Atropos fails.
    """
    _check_segmentable(volume, mask, priors)
    if priors is None:
        priors = template_priors(volume.shape, affine)
    box = nonzero_box(mask, _MARGIN)
    corner = affine.copy()
    corner[:3, 3] += affine[:3, :3] @ [side.start for side in box]
    inside = mask[box]
    with _tidy():
        found = _run_atropos(
            to_ants(volume[box], corner),
            to_ants(inside, corner),
            [to_ants(prior[box], corner) for prior in priors],
        )
    total = np.maximum(found.sum(axis=0), np.finfo(np.float32).tiny)
    found = np.where(inside, found / total, 0).astype(np.float32)
    probabilities = np.zeros((len(found), *volume.shape), np.float32)
    probabilities[(slice(None), *box)] = found
    labels = most_probable(list(probabilities), background=False)
    return Segmentation(labels, probabilities)


def _check_segmentable(volume: np.ndarray, mask: np.ndarray, priors: np.ndarray | None) -> None:
    shapes = [mask.shape, *(() if priors is None else (prior.shape for prior in priors))]
    if any(shape != volume.shape for shape in shapes):
        raise ImageError(f"image {volume.shape}, mask and priors {shapes}; give one grid")
    if not mask.any():
        raise ImageError("the brain mask is empty; give another one")
    values = volume[mask]
    if values.min() == values.max():
        raise ImageError("the image is constant in the brain; check the image and the mask")


def _run_atropos(image: Any, mask: Any, priors: Sequence[Any]) -> np.ndarray:
    import ants

    try:
        corrected = ants.n4_bias_field_correction(
            image, mask=mask, shrink_factor=4, convergence={"iters": [50] * 3, "tol": 1e-7}
        )
        found = ants.atropos(
            corrected,
            mask,
            i=list(priors),
            m=f"[{SMOOTHNESS},1x1x1]",
            c=f"[{ITERATIONS},0]",
            priorweight=PRIOR_WEIGHT,
            # Without random numbers: the same volumes again.
            r=0,
        )
    except Exception as error:
        # ANTsPy raises bare Exceptions.
        raise ImageError(
            f"ANTs could not segment the brain ({one_line(error)}); check the image and its mask"
        ) from error
    return np.stack([volume.numpy() for volume in found["probabilityimages"]])


@contextlib.contextmanager
def _tidy() -> Iterator[None]:
    """Let ANTsPy, which removes none of the files it makes, make them where they are removed."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="atropos-") as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before
