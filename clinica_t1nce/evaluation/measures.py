"""All that is said of the likeness of images to a real T1nce, as one flat list of figures."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from clinica_t1nce.evaluation import similarity, smooth_recovery
from clinica_t1nce.evaluation.brain_masks import STRIPPED
from clinica_t1nce.evaluation.recovery import measure_recovery, prepare_pair
from clinica_t1nce.volumes.grids import nonzero_box

LOW_OVERLAP = 0.85
"""Common part over union of the two brain masks, below which a pair is flagged."""

FAR = 10.0
"""Distance in mm that the alignment may move the middle of the image before a pair is flagged."""


def measure_images(
    t1nce: np.ndarray,
    images: Sequence[np.ndarray],
    mask: np.ndarray,
    common_mask: np.ndarray,
    *,
    as_authors: bool = False,
) -> list[dict[str, float]]:
    """Compare a T1ce and what was made from it with the real T1nce.

    Parameters
    ----------
    t1nce
        Reference, in any unit.
    images
        T1ce, then synthetic images in its units, all on one grid with the reference.
    mask
        Boolean mask in which similarity is measured (the paper: the union of both brains).
    common_mask
        Boolean mask of the brain of both images, in which it is measured how much of the
        enhancement is gone. Eroded by one voxel here.
    as_authors
        Whether to add the figures of
        :func:`clinica_t1nce.evaluation.similarity.compare_as_authors`.

    Returns
    -------
    list of dict
        For each image, after the smooth fit of the T1nce to the T1ce, ``mae_smooth``,
        ``psnr_smooth``, ``ssim_smooth``, ``pcc``, ``nmi`` and ``blur``, with ``blur_t1nce``, and
        the fields of :class:`clinica_t1nce.evaluation.smooth_recovery.SmoothMeasures` (those that
        have a namesake below end in ``_smooth``); ``mae``, ``psnr``, ``ssim``; the same with
        ``_matched`` after the best linear fit; with ``_authors``, if asked for; ``error`` and what
        follows it from :class:`clinica_t1nce.evaluation.recovery.PairMeasures`.

    Raises
    ------
    ImageError
        If shapes differ, a mask is empty, or an image is constant in it.
    """
    t1ce = images[0]
    y = similarity.unit_scale(t1nce)
    smooth = smooth_recovery.prepare_smooth_pair(t1ce, t1nce, common_mask)
    blur_t1nce = similarity.measure_blur(t1nce[smooth.box], smooth.mask)
    # What is measured of the enhancement looks no further than the box of the brain.
    box = nonzero_box(common_mask)
    pair = prepare_pair(t1ce[box], t1nce[box], common_mask[box])
    rows = []
    for image in images:
        row = _after_smooth_fit(smooth, image) | {"blur_t1nce": blur_t1nce}
        x = similarity.unit_scale(image, like=t1ce)
        row |= asdict(similarity.measure_similarity(y, x, mask))
        row |= _suffixed(asdict(similarity.compare_matched(y, x, mask)), "matched")
        if as_authors:
            theirs = similarity.compare_as_authors(t1nce, t1ce, image, mask)
            row |= _suffixed(asdict(theirs), "authors")
        gone = measure_recovery(pair, image[box])
        row["error"] = gone.error_synthetic
        row |= {name: getattr(gone, name) for name in _SHARED}
        rows.append(row)
    return rows


_SHARED = ("share", "inside", "outside", "sharpness")
"""Measures of what is gone, after a linear fit and after the smooth one."""


def _after_smooth_fit(pair: smooth_recovery.SmoothPair, image: np.ndarray) -> dict[str, float]:
    likeness = asdict(similarity.measure_smooth_similarity(pair, image))
    gone = asdict(smooth_recovery.measure_smooth_recovery(pair, image))
    return {
        f"{name}_smooth" if name in (*_SHARED, "mae", "psnr", "ssim") else name: value
        for name, value in (likeness | gone).items()
    }


def _suffixed(row: dict[str, float], suffix: str) -> dict[str, float]:
    return {f"{name}_{suffix}": value for name, value in row.items()}


def find_pair_flags(
    mask_overlap: float,
    transform: np.ndarray,
    mask_sources: Sequence[str],
    shares: Sequence[float],
) -> list[str]:
    """Find what is to be looked at in a pair.

    Parameters
    ----------
    mask_overlap
        Common part over union of the two brain masks, 0 to 1.
    transform
        Movement of the T1nce, 4 x 4, in mm.
    mask_sources
        Sources of the two masks.
    shares
        Fraction of the error that each synthetic image has recovered; below 0 it is farther from
        the T1nce than the T1ce is.

    Examples
    --------
    >>> find_pair_flags(0.5, np.eye(4), [], [0.7])
    ['the brain masks of the two images differ']
    """
    flags = []
    if mask_overlap < LOW_OVERLAP:
        flags.append("the brain masks of the two images differ")
    if np.linalg.norm(transform[:3, 3]) > FAR:
        flags.append("the alignment moved the T1nce far")
    if STRIPPED in mask_sources:
        flags.append("skull-stripped images: each is its own mask")
    if any(share < 0 for share in shares):
        flags.append("a synthetic image is farther from the T1nce than the T1ce is")
    return flags
