"""How much of the gadolinium a synthetic T1nce has lost, measured on a real T1ce and T1nce.

The two images of a pair come from two acquisitions: receive gain, noise and often contrast and
slice thickness differ, so that a plain error mostly measures the scanner. The measures here look
at what gadolinium changed, after a linear fit that leaves it out.

All volumes lie on one grid, that of the T1ce: align the T1nce first
(:func:`clinica_t1nce.evaluation.registration.align_images`). Errors are mean absolute errors of
images fitted to the T1nce, in % of the T1nce's range in the mask (99.5th percentile minus
minimum). The mask is the brain eroded by one voxel (6-neighbourhood).
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import ImageError

FIT_TOLERANCE = 2.0
"""Robust standard deviations beyond which a voxel is left out of the second fit."""

ENHANCING = 2.5
"""Robust standard deviations by which an enhancing voxel exceeds the T1nce."""

FAR = 2
"""Voxels from the enhancing ones within which sharpness is not measured: removed vessels take
their edges with them."""


@dataclass(frozen=True)
class LinearFit:
    """How one image maps linearly onto another.

    Attributes
    ----------
    slope, shift
        Numbers for which ``slope * image + shift`` comes nearest to the reference.
    deviation
        Robust standard deviation of what remains in the mask (1.4826 times the median absolute
        deviation from the median), in the reference's units.
    """

    slope: float
    shift: float
    deviation: float

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Bring an image to the reference's scale, in float64."""
        return self.slope * image.astype(np.float64) + self.shift

    def invert(self, reference: np.ndarray) -> np.ndarray:
        """Bring the reference to the image's scale, in float64; not finite where the slope is 0."""
        return (reference.astype(np.float64) - self.shift) / self.slope


@dataclass(frozen=True, eq=False)
class RecoveryPair:
    """A real pair, and all that can be said of it before any synthetic image is there.

    Attributes
    ----------
    t1ce, t1nce
        Images, on one grid.
    mask
        Mask in which errors are measured: the brain eroded by one voxel.
    enhancing
        Voxels of the mask where the fitted T1ce exceeds the T1nce by more than
        :data:`ENHANCING` robust standard deviations.
    fitted
        T1ce on the T1nce's scale.
    value_range
        Range, 99.5th percentile minus minimum of the T1nce in the mask, in its units: 100 %.
    error
        Error of the T1ce, %.
    oracle_error
        Error of the oracle, %: the fitted T1ce with the T1nce put into the enhancing voxels,
        fitted again.
    """

    t1ce: np.ndarray
    t1nce: np.ndarray
    mask: np.ndarray
    enhancing: np.ndarray
    fitted: np.ndarray
    value_range: float
    error: float
    oracle_error: float

    @property
    def removable_error(self) -> float:
        """Gain, %, of perfect removal of the enhancement, and of nothing else."""
        return self.error - self.oracle_error


@dataclass(frozen=True)
class PairMeasures:
    """How one synthetic image compares with the real pair.

    Attributes
    ----------
    error_t1ce, error_oracle, error_synthetic
        Mean absolute errors, % of the range.
    share
        Fraction of the removable error that was recovered: 0 of an image in which nothing was
        removed, 1 of the oracle; negative of one that is farther from the T1nce than the T1ce
        is. Blur alone earns some of it: read it beside `sharpness` and `outside`.
    inside, outside
        Error in the enhancing voxels, and in the rest of the mask, over the T1ce's there.
    sharpness
        Gradient energy of the synthetic image over the T1ce's, both as they are, more than
        :data:`FAR` voxels from the enhancing ones. 1: as sharp; below: blurred; above: noise
        or edges added.

    Notes
    -----
    A measure that divides by nothing (no enhancing voxel, say) is NaN.
    """

    error_t1ce: float
    error_oracle: float
    error_synthetic: float
    share: float
    inside: float
    outside: float
    sharpness: float


def robust_fit(image: np.ndarray, reference: np.ndarray, mask: np.ndarray) -> LinearFit:
    """Fit an image linearly to another, what does not follow left out.

    Least squares over the mask; voxels whose residual exceeds :data:`FIT_TOLERANCE` robust
    standard deviations are dropped; least squares over the rest.

    Parameters
    ----------
    image, reference
        Volumes of one shape.
    mask
        Boolean mask of the same shape: voxels to look at.

    Returns
    -------
    LinearFit
        Fit from `image` to `reference`.

    Raises
    ------
    ImageError
        If the image is constant in the mask.
    """
    x = image[mask].astype(np.float64)
    y = reference[mask].astype(np.float64)
    keep = np.ones(x.shape, bool)
    for _ in range(2):
        if not np.ptp(x[keep]):
            raise ImageError("an image is constant in the brain; check the image and the mask")
        slope, shift = least_squares(x[keep], y[keep])
        residual = slope * x + shift - y
        deviation = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
        inliers = np.abs(residual) < FIT_TOLERANCE * deviation
        # Of two images that follow each other exactly nothing is left to fit again.
        keep = inliers if np.count_nonzero(inliers) > 2 else keep
    return LinearFit(slope, shift, deviation)


def prepare_pair(
    t1ce: np.ndarray, t1nce: np.ndarray, brain: np.ndarray | None = None
) -> RecoveryPair:
    """Find what gadolinium changed in a real pair.

    Parameters
    ----------
    t1ce, t1nce
        Volumes on one grid, in any units.
    brain
        Boolean mask of the brain, not eroded; None for skull-stripped images: where both
        exceed 0.

    Raises
    ------
    ImageError
        If shapes differ, voxels are not finite, the mask is empty or an image is constant in
        it.
    """
    if brain is None:
        check_grids(t1ce=t1ce, t1nce=t1nce)
        brain = (t1ce > 0) & (t1nce > 0)
    check_grids(t1ce=t1ce, t1nce=t1nce, brain=brain)
    mask = _eroded(brain)
    value_range = _value_range(t1nce, mask)
    fit = robust_fit(t1ce, t1nce, mask)
    fitted = fit.apply(t1ce)
    enhancing = mask & (fitted - t1nce > ENHANCING * fit.deviation)
    error = oracle_error = 100 / value_range * _mean_distance(fitted, t1nce, mask)
    if enhancing.any():
        oracle = np.where(enhancing, t1nce, fitted)
        oracle = robust_fit(oracle, t1nce, mask).apply(oracle)
        oracle_error = 100 / value_range * _mean_distance(oracle, t1nce, mask)
    return RecoveryPair(t1ce, t1nce, mask, enhancing, fitted, value_range, error, oracle_error)


def measure_recovery(pair: RecoveryPair, synthetic: np.ndarray) -> PairMeasures:
    """Measure a synthetic image against a prepared pair.

    Parameters
    ----------
    pair
        Pair of :func:`prepare_pair`, prepared once for any number of synthetic images.
    synthetic
        Synthetic image on the same grid, in any units.

    Raises
    ------
    ImageError
        If the shape differs, voxels are not finite or the image is constant in the mask.
    """
    check_grids(t1ce=pair.t1ce, synthetic=synthetic)
    fitted = robust_fit(synthetic, pair.t1nce, pair.mask).apply(synthetic)
    error = 100 / pair.value_range * _mean_distance(fitted, pair.t1nce, pair.mask)
    rest = pair.mask & ~pair.enhancing
    far = pair.mask & ~ndimage.binary_dilation(pair.enhancing, iterations=FAR)

    def relative_error(where: np.ndarray) -> float:
        return ratio(
            _mean_distance(fitted, pair.t1nce, where),
            _mean_distance(pair.fitted, pair.t1nce, where),
        )

    return PairMeasures(
        error_t1ce=pair.error,
        error_oracle=pair.oracle_error,
        error_synthetic=error,
        share=ratio(pair.error - error, pair.removable_error),
        inside=relative_error(pair.enhancing),
        outside=relative_error(rest),
        sharpness=ratio(gradient_energy(synthetic, far), gradient_energy(pair.t1ce, far)),
    )


def gradient_energy(volume: np.ndarray, where: np.ndarray) -> float:
    """Measure how steep a volume is: mean squared gradient, by central differences.

    Parameters
    ----------
    volume
        Volume in any units; one voxel is the unit of length.
    where
        Boolean mask of the same shape.

    Returns
    -------
    float
        Energy in squared units of `volume` per voxel squared; NaN of an empty mask.
    """
    if not where.any():
        return float("nan")
    steps = np.gradient(volume.astype(np.float32, copy=False))
    return float(sum(np.square(step[where], dtype=np.float64).mean() for step in steps))


def least_squares(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return slope and shift of the line from `x` to `y`; the slope is 0 where `x` is constant."""
    spread = x - x.mean()
    energy = float(spread @ spread)
    slope = float(spread @ y) / energy if energy else 0.0
    return slope, float(y.mean() - slope * x.mean())


def _eroded(brain: np.ndarray) -> np.ndarray:
    mask: np.ndarray = ndimage.binary_erosion(brain)
    if not mask.any():
        raise ImageError("the brain mask is empty once eroded by one voxel; give another one")
    return mask


def _value_range(volume: np.ndarray, mask: np.ndarray) -> float:
    values = volume[mask].astype(np.float64)
    value_range = float(np.percentile(values, 99.5) - values.min())
    if value_range <= 0:
        raise ImageError("the T1nce is constant in the brain; check the image and the mask")
    return value_range


def _mean_distance(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    if not where.any():
        return float("nan")
    return float(np.abs(a[where] - b[where], dtype=np.float64).mean())


def ratio(part: float, whole: float) -> float:
    """Divide; NaN where the whole is 0."""
    return part / whole if whole else float("nan")


def check_grids(**volumes: np.ndarray) -> None:
    """Raise ImageError unless volumes, by name, have one shape and finite voxels."""
    shapes = {name: volume.shape for name, volume in volumes.items()}
    if len(set(shapes.values())) > 1:
        raise ImageError(f"shapes differ ({shapes}); bring the volumes to one grid")
    for name, volume in volumes.items():
        if not np.isfinite(volume).all():
            raise ImageError(f"{name}: NaN or infinite voxels; set them to 0 first")
