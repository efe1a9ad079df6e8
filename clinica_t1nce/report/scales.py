"""What pictures of one participant share: gray scale, range, colours, the slices to show."""

import logging
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import ImageError
from clinica_t1nce.evaluation.recovery import robust_fit
from clinica_t1nce.volumes.grids import nonzero_box
from clinica_t1nce.volumes.intensity import find_percentile

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

logger = logging.getLogger("clinica_t1nce")

NOTE = "Synthetic image: for research on segmentation only, not for reading lesions or enhancement."

SAMPLE = 500_000
"""Values from which scales are taken; percentiles of all voxels would be the slowest step."""

REMOVED = ("#000000", "#5b1a07", "#b8460e", "#f08a24", "#ffd27a", "#fff8e0")
"""Colours of differences from 0 up."""
ADDED = ("#000000", "#0b2f5c", "#1f6fb5", "#63b3e8", "#c4e6fb")
"""Colours of differences from 0 down."""


def percent_change(t1ce: np.ndarray, synthetic: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Express what was removed in % of the synthetic image's range in the brain.

    Parameters
    ----------
    t1ce, synthetic
        Volumes of one shape, in the same units.
    brain
        Brain, a boolean mask; the range is the 99.5th percentile minus the minimum of `synthetic`
        in it.

    Returns
    -------
    numpy.ndarray
        ``T1ce - synthetic``; positive where signal was removed.
    """
    values = synthetic[brain].astype(np.float64)
    value_range = float(np.percentile(values, 99.5) - values.min())
    if value_range <= 0:
        raise ImageError("the synthetic image is constant in the brain; check it")
    return (t1ce.astype(np.float64) - synthetic) * (100 / value_range)


def choose_slices(change: np.ndarray, brain: np.ndarray) -> tuple[int, int, int]:
    """Find, in each direction, the slice where most was changed.

    Sums over slices are smoothed by a Gaussian of 3 voxels, so that a slab with much change wins
    over one odd slice. Slices in which the brain covers less than half of its largest section
    are left out: they show vessels and little brain.

    Parameters
    ----------
    change
        Difference in any unit; its absolute values in the brain count.
    brain
        Brain, a boolean mask of the same shape, not empty.

    Returns
    -------
    tuple of int
        One index an axis. The middle of the brain if nothing was changed.
    """
    size = np.abs(np.where(brain, change, 0))
    point = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        section = brain.sum(axis=others)
        amount = ndimage.gaussian_filter1d(size.sum(axis=others), 3, mode="constant")
        if not amount.any():
            amount = section.astype(float)
        amount[section < section.max() / 2] = -1
        point.append(int(np.argmax(amount)))
    return point[0], point[1], point[2]


def signed_colours() -> np.ndarray:
    """Give 256 colours, red, green and blue of 0 to 255, from added over no to removed signal."""
    stops = [*reversed(ADDED), *REMOVED[1:]]
    at = [*np.linspace(-1, 0, len(ADDED)), *np.linspace(0, 1, len(REMOVED))[1:]]
    rgb = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops])
    places = np.linspace(-1, 1, 256)
    return np.rint(np.stack([np.interp(places, at, channel) for channel in rgb.T], axis=1))


def colour_map(low: float) -> "Colormap":
    """Give matplotlib's map of :func:`signed_colours`; of its upper half if `low` is 0."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = signed_colours() / 255
    if low == 0:
        # The middle lies between two of the 256.
        colours = np.vstack([np.zeros(3), colours[128:]])
    return LinearSegmentedColormap.from_list("change", colours)


def ras_zooms(affine: np.ndarray) -> np.ndarray:
    """Give voxel sizes, mm, along the axes that run nearest to right, anterior and superior."""
    from nibabel.orientations import io_orientation

    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    return zooms[np.argsort(io_orientation(affine)[:, 0])]


def section(volume: np.ndarray, axis: int, index: int) -> np.ndarray:
    """Cut a RAS+ volume as a radiologist sees it: rows from the top, columns from the left."""
    plane = np.take(volume, index, axis=axis).T[::-1]
    # RAS+ runs to the right and to the front; in radiological convention both are on the left.
    return plane[:, ::-1]


def on_scale_of(t1ce: np.ndarray, t1nce: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Bring an acquired T1nce, which has its own receive gain, to the T1ce's scale.

    Parameters
    ----------
    t1ce, t1nce
        Volumes of one shape.
    brain
        Boolean mask where the robust linear fit is made.

    Returns
    -------
    numpy.ndarray
        In the T1ce's units; `t1nce` itself, with a warning, if it does not follow the T1ce.
    """
    inside = brain & (t1nce != 0)
    try:
        fit = robust_fit(t1ce, t1nce, inside)
    except (ImageError, ValueError):
        fit = None
    if fit is None or fit.slope <= 0:
        logger.warning("the T1nce does not follow the T1ce; it is shown on its own scale")
        return t1nce
    # Air stays black, whatever the fit's shift.
    air = t1nce <= 0.01 * np.percentile(t1nce[inside], 99)
    return np.where(air, 0, fit.invert(t1nce))


def gray_scale(t1ce: np.ndarray, synthetic: np.ndarray) -> tuple[float, float]:
    """Share one gray scale: tissue fills it, and enhancement has a little room above."""
    bright = find_percentile(thin_out(synthetic), 99)
    high = max(1.12 * bright, find_percentile(thin_out(t1ce), 97))
    return 0.0, max(high, 1e-6)


def colour_scale(change: np.ndarray) -> tuple[float, float]:
    """Give the ends of the colour bar, %: symmetric only if signal was added, too."""
    change = thin_out(change)
    high = float(np.clip(10 * np.ceil(np.percentile(np.abs(change), 99.7) / 10), 10, 100))
    added = find_percentile(change, 0.5) < -0.05 * high
    return (-high if added else 0.0), high


def shown_box(t1ce: np.ndarray, brain: np.ndarray) -> tuple[slice, ...]:
    """Cut away the air: what the T1ce shows, and a margin of 4 voxels."""
    seen = brain | (t1ce > 0.1 * np.percentile(thin_out(t1ce[brain]), 99))
    return nonzero_box(seen, margin=4)


def thin_out(values: np.ndarray) -> np.ndarray:
    """Give evenly spread values, at most :data:`SAMPLE`: enough for what the eye shall see."""
    return values.ravel()[:: max(1, -(-values.size // SAMPLE))]
