"""Volumes of tissues and structures, how they differ between images, and their overlap."""

from collections.abc import Mapping, Sequence

import numpy as np

from clinica_t1nce.errors import ImageError

Names = Mapping[str, int | Sequence[int]]
"""Label, or labels, of each tissue or structure."""

TISSUES: dict[str, int] = {"GM": 1, "WM": 2, "CSF": 3}
"""Gray matter, white matter, cerebrospinal fluid, and their values in label maps, as in BIDS."""

ROUNDING = 0.02
"""How far probabilities, as they are stored, may leave [0, 1] or add up to more than 1."""


def most_probable(maps: Sequence[np.ndarray], *, background: bool = True) -> np.ndarray:
    """Give each voxel the tissue of maximal probability (the paper's section 7).

    Parameters
    ----------
    maps
        Probability maps of one shape, each in [0, 1], together at most 1 in each voxel.
    background
        Whether what is missing to 1 competes as well, so that a voxel outside the brain has no
        tissue. Without, every voxel in which a probability exceeds 0 has one.

    Returns
    -------
    numpy.ndarray
        uint8: 0 for none, else 1 for the first map, 2 for the second... Of equal probabilities
        the first map wins; a tie with the background goes to the tissue.

    Raises
    ------
    ImageError
        If shapes differ, or the maps are no probabilities.
    """
    if len({volume.shape for volume in maps}) != 1:
        raise ImageError(
            f"probability maps of shapes {[volume.shape for volume in maps]}; give one grid"
        )
    total = np.zeros(maps[0].shape, np.float64)
    for volume in maps:
        total += volume
        if not np.isfinite(volume).all() or volume.min() < -ROUNDING or volume.max() > 1 + ROUNDING:
            raise ImageError(
                f"probabilities from {volume.min():g} to {volume.max():g}, not from 0 to 1; "
                "give the tissue probability maps themselves"
            )
    if total.max() > 1 + ROUNDING or total.max() < 1 - ROUNDING:
        raise ImageError(
            f"probability maps that add up to {total.max():.3g} at most, not to 1; "
            "check that they are of one segmentation"
        )
    labels = np.ones(maps[0].shape, np.uint8)
    highest = np.array(maps[0], np.float64)
    for number, volume in enumerate(maps[1:], start=2):
        labels[volume > highest] = number
        np.maximum(highest, volume, out=highest)
    labels[total <= 0] = 0
    if background:
        labels[1 - total > highest] = 0
    return labels


def measure_volumes(
    labels: np.ndarray, affine: np.ndarray, names: Names = TISSUES
) -> dict[str, float]:
    """Count voxels and multiply by their volume.

    Parameters
    ----------
    labels
        Label map, integers.
    affine
        Affine, 4 x 4, voxel indices to mm: the volume of a voxel is the determinant.
    names
        Label, or labels, of each structure.

    Returns
    -------
    dict
        cm3 of each name.

    Raises
    ------
    ImageError
        If one of the names has no voxel.
    """
    volumes = {n: labelled_volume(np.isin(labels, v), affine) for n, v in names.items()}
    missing = [name for name, volume in volumes.items() if volume == 0]
    if missing:
        raise ImageError(f"no voxel of {', '.join(missing)}; check the segmentation")
    return volumes


def volume_difference(
    reference: Mapping[str, float], other: Mapping[str, float], tiv: float, mean_tiv: float
) -> dict[str, float]:
    """Compare the volumes of an image with those of the real T1nce: the paper's equation 3b.

    ``VD = (V_reference - V_other) / TIV_reference x mean_tiv``. Negative where the other image
    over-estimates. Its absolute value is the absolute volume difference (AVD) of equation 3a.

    Parameters
    ----------
    reference, other
        cm3 of each tissue; the names of `reference` count.
    tiv
        Total intracranial volume of the real T1nce, cm3: of GM, WM and CSF together.
    mean_tiv
        Mean total intracranial volume of all pairs, cm3.

    Returns
    -------
    dict
        cm3 of each name of `reference`.
    """
    scale = mean_tiv / tiv
    return {name: (volume - other[name]) * scale for name, volume in reference.items()}


def dice(reference: np.ndarray, other: np.ndarray, names: Names = TISSUES) -> dict[str, float]:
    """Measure how two label maps overlap: ``2 |A and B| / (|A| + |B|)`` for each name.

    1: the same voxels; 0: none in common; NaN where neither map has the value.

    Parameters
    ----------
    reference, other
        Label maps of one shape.
    names
        Label, or labels, of each structure.

    Returns
    -------
    dict
        Score of each name.

    Raises
    ------
    ImageError
        If the shapes differ.
    """
    if reference.shape != other.shape:
        raise ImageError(f"label maps of {reference.shape} and {other.shape} voxels; give one grid")
    scores = {}
    for name, value in names.items():
        a, b = np.isin(reference, value), np.isin(other, value)
        size = np.count_nonzero(a) + np.count_nonzero(b)
        scores[name] = 2 * np.count_nonzero(a & b) / size if size else float("nan")
    return scores


def labelled_volume(labels: np.ndarray, affine: np.ndarray) -> float:
    """Measure all that is labelled, which stands for the volume inside the skull.

    Parameters
    ----------
    labels
        Label map or mask; 0 is the background.
    affine
        Affine, 4 x 4, voxel indices to mm.

    Returns
    -------
    float
        Volume in cm3.

    Examples
    --------
    >>> labelled_volume(np.ones((10, 10, 10), int), np.diag([2.0, 1, 1, 1]))
    2.0
    """
    voxel = abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    return float(np.count_nonzero(labels) * voxel)
