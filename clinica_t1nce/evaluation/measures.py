"""All that is said of the likeness of images to a real T1nce, as one flat list of figures."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from clinica_t1nce.evaluation.recovery import compare, prepare_pair
from clinica_t1nce.evaluation.similarity import Reference, compare_as_authors, unit_scale
from clinica_t1nce.volumes.grids import nonzero_box


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
        The reference, any unit.
    images
        The T1ce, then synthetic images in its units, all on one grid with the reference.
    mask
        Boolean: where similarity is measured (the paper: the union of both brains).
    common_mask
        Boolean: the brain of both images, where it is measured how much of the enhancement is
        gone. Eroded by one voxel here.
    as_authors
        Add the figures of :func:`clinica_t1nce.evaluation.similarity.compare_as_authors`.

    Returns
    -------
    list of dict
        For each image ``mae``, ``psnr``, ``ssim``; the same with ``_matched`` after the best
        linear fit; with ``_authors``, if asked for; ``error`` and what follows it from
        :class:`clinica_t1nce.evaluation.recovery.PairMeasures`.

    Raises
    ------
    ImageError
        If shapes differ, a mask is empty, or an image is constant in it.
    """
    t1ce = images[0]
    reference = Reference(unit_scale(t1nce), mask)
    # What is measured of the enhancement looks no further than the box of the brain.
    box = nonzero_box(common_mask)
    pair = prepare_pair(t1ce[box], t1nce[box], common_mask[box])
    rows = []
    for image in images:
        as_it_is, matched = reference.compare_matched(unit_scale(image, like=t1ce))
        row = asdict(as_it_is) | _suffixed(asdict(matched), "matched")
        if as_authors:
            row |= _suffixed(asdict(compare_as_authors(t1nce, t1ce, image, mask)), "authors")
        gone = compare(pair, image[box])
        row["error"] = gone.error_synthetic
        row |= {name: getattr(gone, name) for name in ("share", "inside", "outside", "sharpness")}
        rows.append(row)
    return rows


def _suffixed(row: dict[str, float], suffix: str) -> dict[str, float]:
    return {f"{name}_{suffix}": value for name, value in row.items()}
