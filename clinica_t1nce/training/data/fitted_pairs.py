"""A real pair with the T1nce as the T1ce's scan would show it, and what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import ImageError
from clinica_t1nce.volumes import grids, intensity
from clinica_t1nce.volumes.fitting import anchor, smooth_fit

PREPARATION = 1
"""Version of :func:`fit_pair`: counted up when its result changes."""

AIR, AIR_OF_HEADS = 0.02, 0.1
"""Intensities, white matter = 1, below which a voxel is no tissue: of skull-stripped images, whose
air is 0, and of whole heads, whose air has noise."""

ENHANCING = 2.5
"""Robust standard deviations by which an enhancing voxel exceeds the fitted T1nce."""

FEWEST_ENHANCING = 0.002
"""Value of `Facts.enhancing` below which nothing seems to have been injected."""

LARGEST_DEVIATION = 0.2
"""Robust standard deviation, white matter = 1, above which two images do not fit."""

LARGEST_SHIFT = 1.5
"""Voxels along an axis by which the two images may seem to be shifted."""

_EMPTY_AIR = 0.35
"""Fraction of zeros around a skull-stripped brain in its own box, at least."""

_SHARP = 0.6
"""Gradients of the T1nce over the T1ce's, along the sharpest axis, of an image that is no smoother
than its contrast and its lower noise make it."""

_MARGIN = 8
_FURTHEST = 3


@dataclass(frozen=True)
class Facts:
    """What is known of a prepared pair.

    Attributes
    ----------
    deviation
        Robust standard deviation of the T1ce from the fitted T1nce, white matter = 1.
    enhancing
        Fraction of voxels that exceed the fitted T1nce by more than noise, less the fraction of
        those that fall below it as far: 0 where nothing enhances.
    shift
        Largest shift along an axis that would bring the two images nearer to each other, voxels.
    blur
        Standard deviation in voxels, for each axis, of the Gaussian that makes the T1ce as smooth
        as the T1nce: above 0 along thick slices.
    """

    deviation: float
    enhancing: float
    shift: float
    blur: tuple[float, float, float]

    @property
    def problem(self) -> str:
        """Reason why the pair cannot be trained on; empty if it can."""
        if self.deviation > LARGEST_DEVIATION:
            return f"the T1nce does not fit to the T1ce (deviation {self.deviation:.2f})"
        if self.shift > LARGEST_SHIFT:
            return f"the two images are {self.shift:.1f} voxels apart; align them"
        if self.enhancing < FEWEST_ENHANCING:
            return "nothing enhances; is this a T1ce?"
        return ""


@dataclass(frozen=True, eq=False)
class PreparedPair:
    """A pair on one grid, RAS, cropped to the head, white matter at about 1.

    Attributes
    ----------
    volumes
        Volumes, 3 x D x H x W, float16: T1ce, fitted T1nce (0 outside the mask), mask.
    facts
        Facts about it.
    """

    volumes: np.ndarray
    facts: Facts


def fit_pair(
    t1ce: np.ndarray, t1nce: np.ndarray, scaling: Mapping[str, Any], *, shifts: bool = True
) -> PreparedPair:
    """Bring the two images of a pair to one scale.

    Parameters
    ----------
    t1ce, t1nce
        Volumes on one grid, axes right, anterior, superior, any units.
    scaling
        Scaling of the card, as :func:`clinica_t1nce.volumes.intensity.measure` takes it.
    shifts
        Whether to look if one image is shifted against the other, which takes a second.

    Returns
    -------
    PreparedPair

    Raises
    ------
    ImageError
        If the grids differ, or too little tissue is in both images.
    """
    if t1ce.shape != t1nce.shape:
        raise ImageError(f"grids of {t1ce.shape} and {t1nce.shape} voxels; bring both to one grid")
    box = grids.nonzero_box(t1ce, _MARGIN)
    x, y = (
        np.maximum(intensity.measure(v, **scaling).apply(v), 0).astype(np.float32)[box]
        for v in (t1ce, t1nce)
    )
    air = AIR if is_bare(x) else AIR_OF_HEADS
    mask = ndimage.binary_erosion((x > air) & (y > air))
    fit = smooth_fit(x, y, mask)
    around = ndimage.binary_dilation(
        mask & (x - fit.fitted > ENHANCING * fit.deviation), iterations=2
    )
    fitted = anchor(x, fit.fitted, mask & ~around)
    beyond = ENHANCING * fit.deviation
    difference = (x - fitted)[mask]
    facts = Facts(
        deviation=round(fit.deviation, 4),
        enhancing=round(float(np.mean(difference > beyond) - np.mean(difference < -beyond)), 5),
        shift=round(_shift(x, y, mask), 2) if shifts else 0.0,
        blur=_blur(x, fitted, mask & ~around),
    )
    return PreparedPair(np.stack([x, fitted, mask]).astype(np.float16), facts)


def is_bare(t1ce: np.ndarray) -> bool:
    """Say whether a volume, cropped to what it shows, is a brain without its head."""
    return float(np.mean(t1ce == 0)) > _EMPTY_AIR


def _shift(x: np.ndarray, y: np.ndarray, mask: np.ndarray) -> float:
    """Find by how many voxels, along an axis, the edges of one image lie beside the other's.

    Well inside the mask, whose border the two images share.
    """
    inside = ndimage.binary_erosion(mask, iterations=_FURTHEST + 1)
    if not inside.any():
        return 0.0
    first, second = (ndimage.gaussian_gradient_magnitude(np.minimum(v, 1.5), 1.0) for v in (x, y))
    offsets = np.arange(-_FURTHEST, _FURTHEST + 1)
    largest = 0.0
    for axis in range(3):
        likeness = np.array(
            [
                np.corrcoef(first[inside], np.roll(second, int(offset), axis)[inside])[0, 1]
                for offset in offsets
            ]
        )
        best = int(likeness.argmax())
        shift = float(offsets[best])
        if 0 < best < len(offsets) - 1:
            # The top of the parabola through the three.
            before, top, after = likeness[best - 1 : best + 2]
            shift += 0.5 * (before - after) / (before - 2 * top + after)
        largest = max(largest, abs(shift))
    return float(largest)


def _blur(x: np.ndarray, y: np.ndarray, tissue: np.ndarray) -> tuple[float, float, float]:
    """Compare the gradients of two images along each axis with those along the sharpest one."""
    ratios = []
    for axis in range(3):
        side = tissue.shape[axis]
        both = tissue.take(range(side - 1), axis) & tissue.take(range(1, side), axis)
        energy = [float(np.square(np.diff(v, axis=axis)[both]).mean()) for v in (x, y)]
        ratios.append((energy[1] / max(energy[0], 1e-12)) ** 0.5)
    steps = [ratio / max(*ratios, _SHARP) for ratio in ratios]
    first, second, third = (0.0 if s > 0.84 else 0.8 if s > 0.6 else 1.6 for s in steps)
    return first, second, third
