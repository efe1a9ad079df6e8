"""What is to be looked at in a pair that was evaluated."""

from collections.abc import Sequence

import numpy as np

from clinica_t1nce.evaluation.brain_masks import STRIPPED

LOW_OVERLAP = 0.85
"""Common part over union of the two brain masks, below which a pair is flagged."""

FAR = 10.0
"""Distance in mm that the alignment may move the middle of the image before a pair is flagged."""


def find_flags(
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
    >>> find_flags(0.5, np.eye(4), [], [0.7])
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
