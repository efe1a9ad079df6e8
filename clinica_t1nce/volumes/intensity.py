"""Intensity scalings: from scanner units to what a network was trained on, and back."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from clinica_t1nce.errors import ImageError

if TYPE_CHECKING:
    import torch

Volume = TypeVar("Volume", np.ndarray, "torch.Tensor")

HEAD = 0.02
"""Fraction of a volume's 99th percentile above which its head lies."""

FOREGROUND = 0.05
"""Fraction of the 99th percentile of what is above 0 from which :func:`foreground` begins."""

_SAMPLE = 20_000
"""Values that tell between which two a percentile of all lies."""


@dataclass(frozen=True)
class Scaling:
    """A linear map of intensities, ``scaled = (value - offset) / factor``.

    Attributes
    ----------
    offset
        The value, in the image's own units, that becomes 0.
    factor
        Number of the image's own units that make 1. Positive.
    """

    offset: float
    factor: float

    def apply(self, values: Volume) -> Volume:
        """Scale an array or a tensor; the type and the shape stay."""
        return (values - self.offset) / self.factor

    def invert(self, values: Volume) -> Volume:
        """Undo :meth:`apply`."""
        return values * self.factor + self.offset


def measure(volume: np.ndarray, method: str, **parameters: float) -> Scaling:
    """Find the scaling of one volume.

    Parameters
    ----------
    volume
        Finite intensities, any shape and unit.
    method
        Name of the method: ``"min-max"`` or ``"percentile"``, a key of :data:`METHODS`.
    **parameters
        Parameters of the method: see :func:`measure_min_max` and :func:`measure_percentile`.

    Returns
    -------
    Scaling

    Raises
    ------
    ImageError
        If the volume is constant, or has nothing above 0 where the method needs it.
    ValueError
        If the method or one of its parameters is unknown.
    """
    if method not in METHODS:
        raise ValueError(f"unknown scaling {method!r}; known: {', '.join(METHODS)}")
    values = np.asarray(volume)
    if values.size == 0 or values.min() == values.max():
        raise ImageError("every voxel has the same value: no image to scale")
    try:
        return METHODS[method](values, **parameters)
    except TypeError as error:
        raise ValueError(f"scaling {method!r} does not take {parameters}: {error}") from error


def measure_min_max(values: np.ndarray) -> Scaling:
    """Map the darkest voxel to 0 and the brightest to 1 (the paper's section 3).

    One bright vessel sets the scale of the whole image: kept to be comparable with the paper.
    """
    low, high = float(values.min()), float(values.max())
    return Scaling(low, high - low)


def measure_percentile(
    values: np.ndarray, percentile: float = 70.0, floor: float = HEAD
) -> Scaling:
    """Map 0 to 0 and a percentile of the foreground, about white matter, to 1.

    Parameters
    ----------
    values
        Intensities with a background near 0.
    percentile
        Percentile of the foreground that becomes 1, in (0, 100].
    floor
        The foreground is what lies above this fraction of the volume's 99th percentile: it
        keeps the noise of the air out, and the zeros of a skull-stripped image.
    """
    foreground = values[head(values, floor)]
    if foreground.size == 0:
        raise ImageError("no voxel is above 0: no foreground to scale by")
    return Scaling(0.0, find_percentile(foreground, percentile))


METHODS: dict[str, Callable[..., Scaling]] = {
    "min-max": measure_min_max,
    "percentile": measure_percentile,
}


def head(volume: np.ndarray, floor: float = HEAD) -> np.ndarray:
    """Mask the head: what exceeds 0 and a fraction, `floor`, of the 99th percentile."""
    return volume > max(floor * find_percentile(volume, 99), 0.0)


def find_percentile(values: np.ndarray, percentile: float) -> float:
    """Find a percentile of many values by those near it alone, faster than NumPy does.

    Parameters
    ----------
    values
        Finite floating-point numbers, any shape, at least one.
    percentile
        Percentile, 0 to 100.

    Returns
    -------
    float
        Result of :func:`numpy.percentile`, to the bit.
    """
    flat = values.ravel()
    step = flat.size // _SAMPLE
    if step < 10:
        return float(np.percentile(flat, percentile))
    around = np.clip((percentile - 1.5, percentile + 1.5), 0, 100)
    low, high = np.percentile(flat[::step], around)
    near = flat[flat >= low]
    n_below = flat.size - near.size
    near = near[near <= high]
    # As NumPy does: in the values' own precision.
    place = (flat.size - 1) * np.true_divide(percentile, flat.dtype.type(100))
    below = math.floor(place) - n_below
    if not 0 <= below < near.size - 1:
        # Values that recur at the sample's distance.
        return float(np.percentile(flat, percentile))
    near.partition((below, below + 1))
    return float(_interpolate(near[below], near[below + 1], place - math.floor(place)))


def _interpolate(low: np.floating, high: np.floating, share: np.floating) -> np.floating:
    """Interpolate as NumPy does: from the nearer end."""
    step = high - low
    return high - step * (1 - share) if share >= 0.5 else low + step * share


def foreground(volume: np.ndarray) -> np.ndarray:
    """Mask the head: what is brighter than a share of the brightest voxels, :data:`FOREGROUND`."""
    positive = volume[volume > 0]
    if positive.size == 0:
        return np.zeros(volume.shape, bool)
    return volume > FOREGROUND * find_percentile(positive, 99)


def check_method(scaling: dict[str, Any]) -> None:
    """Check a card's ``{"method": ..., parameter: value, ...}`` without a volume.

    Raises
    ------
    ValueError
        As :func:`measure`.
    """
    ramp = np.arange(1.0, 9.0)
    measure(ramp, **scaling)
