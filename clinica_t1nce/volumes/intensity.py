"""Intensities: scanner units to what a network was trained on and back, head, bias field."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import ImageError, one_line

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
    return float(_between(near[below], near[below + 1], place - math.floor(place)))


def _between(low: np.floating, high: np.floating, share: np.floating) -> np.floating:
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


BIAS_SIDE = 6.0
"""Side, in mm, of the voxels that N4 is given: the field is far smoother."""

BIAS_DISTANCE = 200
"""Distance, in mm, of the knots of the field's spline: that of t1-linear since Clinica 0.12."""

BIAS_FEWEST = 150
"""Voxels of :data:`BIAS_SIDE` in the head below which there is no field to measure: 32 ml."""


def measure_bias(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Measure how much brighter each place came out than it would without a bias field.

    Parameters
    ----------
    volume
        T1w, its background at 0; three axes of any direction and voxel size.
    affine
        Matrix, 4 x 4, voxel indices to mm.

    Returns
    -------
    numpy.ndarray
        float32, in the shape of `volume`, positive, smooth: `volume` over it has no bias. 1
        everywhere if the head is too small to tell (:data:`BIAS_FEWEST`).

    Raises
    ------
    ImageError
        If ANTs fails.
    """
    from clinica_t1nce.volumes import grids  # With PyTorch, which most of this does without.

    coarse, to_volume = grids.coarsen(np.maximum(volume, 0), affine, BIAS_SIDE)
    head = foreground(coarse)
    if head.sum() < BIAS_FEWEST:
        return np.ones(volume.shape, np.float32)
    field = _run_n4(coarse, head)
    # As far as the field's grid does not reach, its nearest value holds.
    from_volume = np.linalg.inv(to_volume)
    found: np.ndarray = ndimage.affine_transform(
        field,
        from_volume[:3, :3],
        from_volume[:3, 3],
        output_shape=volume.shape,
        order=1,
        mode="nearest",
    )
    return found


def _run_n4(volume: np.ndarray, mask: np.ndarray) -> np.ndarray:
    import ants

    def to_ants(values: np.ndarray) -> Any:
        return ants.from_numpy(values.astype(np.float32), spacing=(BIAS_SIDE,) * 3)

    try:
        found = ants.n4_bias_field_correction(
            to_ants(volume),
            mask=to_ants(mask),
            shrink_factor=1,
            convergence={"iters": [20] * 3, "tol": 1e-5},
            spline_param=BIAS_DISTANCE,
            return_bias_field=True,
        ).numpy()
    except Exception as error:
        # ANTsPy raises bare Exceptions.
        raise ImageError(
            f"ANTs could not measure the bias field ({one_line(error)}); check the image"
        ) from error
    if not np.isfinite(found).all() or found.min() <= 0:
        raise ImageError("ANTs measured no usable bias field; check the image")
    return np.asarray(found, dtype=np.float32)
