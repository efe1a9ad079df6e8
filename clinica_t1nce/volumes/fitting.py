"""What one scan's image would look like in another scan of the same head."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.errors import ImageError

_ROUNDS = 5
_SAMPLE = 200_000
_TOLERANCE = 2.0
_FEWEST = 1000
_LARGEST_SHIFT = 0.12


@dataclass(frozen=True, eq=False)
class SmoothFit:
    """A T1nce as the T1ce's scan would show it.

    Attributes
    ----------
    fitted
        The T1nce in the units of the T1ce: float32, 0 outside the mask.
    deviation
        Robust standard deviation of ``fitted - t1ce`` in the mask (1.4826 times the median
        absolute deviation from the median), in the units of the T1ce.
    """

    fitted: np.ndarray
    deviation: float


def smooth_fit(t1ce: np.ndarray, t1nce: np.ndarray, mask: np.ndarray) -> SmoothFit:
    """Fit the T1nce to the T1ce of the same head, what enhances left out.

    Contrast and receive field differ between two scans, so a global linear fit leaves errors that
    are not gadolinium's, or hides a darkening of all tissue. The T1ce is regressed on ``P``,
    ``y P`` and ``y**2``, where ``y`` is the T1nce and ``P`` the ten monomials up to degree 2 of
    the position in the volume, from -1 to 1 along each axis: least squares, then four times again
    without the voxels that lie beyond two robust standard deviations.

    Parameters
    ----------
    t1ce, t1nce
        Volumes on one grid, each scaled so that bright tissue is about 1.
    mask
        Boolean volume of the same shape: tissue in both images.

    Raises
    ------
    ImageError
        If the mask holds fewer than 1000 voxels.
    """
    places = np.argwhere(mask)
    if len(places) < _FEWEST:
        raise ImageError(f"{len(places)} voxels are tissue in both images: too few to compare them")
    y = t1nce[mask].astype(np.float32)
    x = t1ce[mask].astype(np.float32)
    powers = _monomials((places / np.array(mask.shape) * 2 - 1).astype(np.float32))
    features = np.concatenate([powers, y[:, None] * powers, y[:, None] ** 2], axis=1)
    # The same voxels in every run, so that the same pair gives the same fit.
    rng = np.random.default_rng(0)
    keep = np.ones(len(x), bool)
    for _ in range(_ROUNDS):
        inliers = np.flatnonzero(keep)
        chosen = rng.choice(inliers, min(len(inliers), _SAMPLE), replace=False)
        weights = np.linalg.lstsq(features[chosen], x[chosen], rcond=None)[0]
        error = features @ weights - x
        deviation = 1.4826 * float(np.median(np.abs(error - np.median(error))))
        inside = np.abs(error) < _TOLERANCE * deviation
        # Of two images that follow each other exactly nothing is left to fit again.
        keep = inside if np.count_nonzero(inside) >= _FEWEST else keep
    fitted = np.zeros(mask.shape, np.float32)
    fitted[mask] = features @ weights
    return SmoothFit(fitted, deviation)


def anchor(t1ce: np.ndarray, fitted: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """Correct a fitted T1nce so that tissue which does not enhance has the T1ce's intensities.

    A regression on a noisy image shrinks contrast: the fitted T1nce is too bright in fluid, by 0.05
    to 0.1 of white matter. In three classes of its intensities (Otsu) the median difference to the
    T1ce is measured; between the classes' medians it is interpolated.

    Parameters
    ----------
    t1ce
        Volume, scaled so that bright tissue is about 1.
    fitted
        T1nce in its units, of the same shape, as :func:`smooth_fit` gives it.
    tissue
        Boolean volume: tissue that does not enhance.

    Returns
    -------
    numpy.ndarray
        float32 volume; 0 stays 0.

    Raises
    ------
    ImageError
        If fewer than 1000 voxels do not enhance, or all have one intensity.
    """
    from skimage.filters import threshold_multiotsu

    x, y = t1ce[tissue], fitted[tissue]
    if y.size < _FEWEST or np.ptp(y) == 0:
        raise ImageError(f"{y.size} voxels of tissue do not enhance: too few to compare images by")
    low, high = np.percentile(y, [0.5, 99.5])
    thresholds = threshold_multiotsu(np.clip(y, low, high), classes=3)
    classes = np.digitize(y, thresholds)
    places = [float(np.median(y[classes == c])) for c in range(3)]
    shifts = [float(np.median((x - y)[classes == c])) for c in range(3)]
    shifts = np.clip(shifts, -_LARGEST_SHIFT, _LARGEST_SHIFT).tolist()
    corrected = fitted + np.interp(fitted, places, shifts)
    return np.where(fitted == 0, 0, corrected).astype(np.float32)


def _monomials(place: np.ndarray) -> np.ndarray:
    """Raise positions, N x 3, to all powers up to degree 2, N x 10."""
    i, j, k = place.T
    one = np.ones_like(i)
    return np.stack([one, i, j, k, i * i, j * i, j * j, k * i, k * j, k * k], axis=1)
