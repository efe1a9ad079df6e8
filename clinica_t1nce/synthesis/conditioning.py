"""What a network is shown of an image: a background of 0, and no outliers.

Networks learn from images whose air, or what a mask left out, is 0. Hospitals' images may have a
constant added (unsigned types, CT-like scales, pedestals of reconstructions), padding of another
value around the field of view, and voxels that are far too bright or dark. All of that is taken
away for the network and is in the result as it was in the image. An image that has none of it is
handed on as it is, to the bit.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import ImageError
from clinica_t1nce.synthesis import Flag
from clinica_t1nce.volumes import intensity

BRIGHTEST = 10.0
"""Outliers are brighter than this multiple of bright tissue
(:func:`clinica_t1nce.volumes.intensity.measure_percentile`). Vessels of 42 real T1ce reach 5.8."""

DARKEST = -0.25
"""Outliers are darker than this multiple of bright tissue. Ringing of resampling reaches -0.18."""

PLAIN = 0.02
"""Fraction of bright tissue up to which a background counts as 0: noise of the air is like that."""

_FLAT = 0.1
"""Fraction of the range of tissue that air spreads over at most."""

_FADING = 0.2
"""An image that was interpolated fades into its background: of its outermost voxels, the
difference between the 10th and the 1st percentile is below this share of that between the median
and the 1st (real crops: 0.04 to 0.15). At the crisp border of a mask it is not (0.31 to 0.50)."""

_PLATEAU = 0.015
"""At least a tenth of those outermost voxels lies within this share of bright tissue above their
darkest: an edge that fades has a plateau there (six images on which weights were trained, turned
and resampled: up to 0.014), the darkest tissue at the edge of a mask has none (the same, cut at a
tenth and at a quarter of bright tissue: from 0.016; as they came: from 0.039)."""

_PADDED = 0.05
"""Fraction of the volume's faces from which a value that recurs exactly is padding, or a mask's."""

_AROUND = 0.99
"""Fraction of the volume's faces from which padding lies all around an image."""

_GRAYEST = 0.65
"""Fraction of a brain's brightest twentieth that its darkest hundredth stays below (real: 0.45)."""

_FEWEST = 64
"""Voxels below which their distribution says nothing."""

_MANY = 300_000
"""Voxels that tell of tissue what all of them do."""


@dataclass(frozen=True, eq=False)
class Conditioned:
    """An image, and what a network is shown of it.

    Attributes
    ----------
    image
        Image as it came.
    shown
        Image with its background at 0, padding too, and outliers replaced; `image` itself
        where there is nothing to change.
    background
        Value of the background in `image`.
    outliers
        Indices of the outliers in the flattened volume.
    flags
        Findings for the user.
    """

    image: np.ndarray
    shown: np.ndarray
    background: float
    outliers: np.ndarray
    flags: tuple[Flag, ...]

    def subtract(self, change: np.ndarray) -> np.ndarray:
        """Take a change from the image.

        Parameters
        ----------
        change
            Array of the image's shape, in its units; positive where there is to be less.

        Returns
        -------
        numpy.ndarray
            float32, within the range of the image, and nowhere below the background but where the
            image itself is. The very values of the image where the change is 0, in the
            background, and at outliers.
        """
        image, shown = self.image, self.shown
        lowered = image - change
        np.clip(lowered, image.min(), image.max(), out=lowered)
        np.maximum(lowered, np.minimum(image, np.float32(self.background)), out=lowered)
        kept = (change == 0) | (shown == 0)
        kept.reshape(-1)[self.outliers] = True
        np.copyto(lowered, image, where=kept)
        return lowered.astype(np.float32, copy=False)


def condition(image: np.ndarray) -> Conditioned:
    """Find background and outliers of an image, and take them away for a network.

    A constant added to the image changes nothing in what is shown, up to the noise of the air
    (:data:`PLAIN`).

    Parameters
    ----------
    image
        Finite intensities of a T1w, D x H x W, in any unit.

    Returns
    -------
    Conditioned
    """
    background, padding, known = _find_background(image)
    shown = image
    flags = []
    if background != 0 or padding is not None:
        shown = (image - np.float32(background)).astype(np.float32, copy=False)
        # Constants are no longer quite constant after interpolation.
        shown[np.abs(shown) < 1e-3 * _bright_tissue(shown)] = 0
        if padding is not None:
            shown[_touching_faces(image == padding)] = 0
    if not known:
        text = "no background can be told from tissue; it was taken for 0"
        if background:
            text = f"no background can be told from tissue; it was guessed at {background:.6g}"
        flags.append(Flag("background-unknown", text))
    elif background != 0:
        text = f"the background is {background:.6g}, not 0: it was subtracted for the network"
        flags.append(Flag("background", text))
    shown, outliers = _without_outliers(shown)
    if outliers.size:
        flags.append(
            Flag(
                "outliers",
                f"{outliers.size} voxels are over {BRIGHTEST:g} times as bright as bright tissue, "
                f"or below {DARKEST:g} of it: hidden from the network, left as they are",
            )
        )
    return Conditioned(image, shown, background, outliers, tuple(flags))


def _bright_tissue(shown: np.ndarray) -> float:
    """Measure bright tissue; 0 where nothing is above the background."""
    try:
        return intensity.measure_percentile(shown).factor
    except ImageError:
        return 0.0


def _without_outliers(shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each outlier the median of its neighbours that are none; the limit if all are."""
    bright = _bright_tissue(shown)
    low, high = np.float32(DARKEST * bright), np.float32(BRIGHTEST * bright)
    if bright == 0 or (shown.min() >= low and shown.max() <= high):
        return shown, np.empty(0, np.intp)
    wild = (shown < low) | (shown > high)
    outliers = np.flatnonzero(wild)
    places = np.argwhere(wild)
    steps = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    replaced = np.clip(shown, low, high)
    # In parts: 27 neighbours each of a whole volume of outliers would not fit into memory.
    for part in np.array_split(places, len(places) // 100_000 + 1):
        around = part[:, None] + steps
        inside = ((around >= 0) & (around < shown.shape)).all(-1)
        index = tuple(np.moveaxis(np.where(inside[..., None], around, 0), -1, 0))
        usable = inside & ~wild[index]
        part, index = part[usable.any(1)], tuple(i[usable.any(1)] for i in index)
        values = np.where(usable[usable.any(1)], shown[index], np.nan)
        replaced[tuple(part.T)] = np.nanmedian(values, axis=1)
    return replaced, outliers


class _Background(NamedTuple):
    """Value of the background; of padding that differs from it; whether it is known."""

    value: float
    padding: float | None
    known: bool


def _find_background(image: np.ndarray) -> _Background:
    """Find background and padding.

    The background is what the outermost voxels of the image, next to its padding or at its faces,
    come down to.
    """
    faces = _faces(image)
    padding, share = _recurring(faces)
    inside = np.full(image.shape, True) if padding is None else image != padding
    tissue = image[inside]
    tissue = _without_strays(tissue[:: tissue.size // _MANY + 1])
    outermost = faces if padding is None else image[inside & _next_to(~inside)]
    outermost = _without_strays(outermost, tissue)
    if min(tissue.size, outermost.size) < _FEWEST:
        return _Background(0.0, None, False)
    lowest, low, quarter, median = (float(v) for v in np.percentile(outermost, (1, 10, 25, 50)))
    bright = intensity.find_percentile(tissue, 95) - lowest
    near, flat = PLAIN * bright, _FLAT * bright
    if padding is None:
        if quarter - lowest > flat:
            return _Background(0.0, None, False)
        is_plain = lowest - near <= 0 <= max(lowest + near, 2 * quarter - lowest)
        return _Background(0.0 if is_plain else lowest, None, True)
    # What is flat next to padding is air, unless padding is all around: then it may be tissue.
    is_air = share < _AROUND and median - lowest <= flat
    fades = 0 < low - lowest <= min(_FADING * (median - lowest), _PLATEAU * bright)
    if is_air or fades:
        if abs(lowest - padding) <= near:
            return _Background(padding, None, True)
        is_plain = abs(lowest) <= near or (is_air and lowest <= 0 <= 2 * median - lowest)
        return _Background(0.0 if is_plain else lowest, padding, True)
    darkest, brightest = (float(v) for v in np.percentile(tissue, (1, 95)))
    if darkest < padding - near:
        # Padding amid the values of tissue, as of z-scores inside a mask.
        return _Background(darkest, padding, False)
    return _Background(padding, None, darkest - padding <= _GRAYEST * (brightest - padding))


def _faces(volume: np.ndarray) -> np.ndarray:
    sides = (np.take(volume, end, axis).ravel() for axis in range(volume.ndim) for end in (0, -1))
    return np.concatenate(list(sides))


def _recurring(values: np.ndarray) -> tuple[float | None, float]:
    """Find the value that recurs most, None if it is not that of padding, and its share."""
    found, counts = np.unique(values, return_counts=True)
    most = int(counts.argmax())
    share = float(counts[most] / values.size)
    return (float(found[most]) if share >= _PADDED else None), share


def _without_strays(values: np.ndarray, tissue: np.ndarray | None = None) -> np.ndarray:
    """Leave out dark voxels far from all others: as far as from the darkest to the brightest."""
    if values.size == 0:
        return values
    low, high = np.percentile(values if tissue is None else tissue, (5, 95))
    kept: np.ndarray = values[values >= low - (high - low)]
    return kept


def _next_to(mask: np.ndarray) -> np.ndarray:
    """Find the voxels that share a face with a mask."""
    found = np.zeros_like(mask)
    for axis in range(mask.ndim):
        ahead, behind = [slice(None)] * mask.ndim, [slice(None)] * mask.ndim
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        found[tuple(ahead)] |= mask[tuple(behind)]
        found[tuple(behind)] |= mask[tuple(ahead)]
    return found


def _touching_faces(mask: np.ndarray) -> np.ndarray:
    """Keep of a mask what is connected with the faces of the volume."""
    labels, n = ndimage.label(mask)
    outer = np.zeros(n + 1, bool)
    outer[np.unique(_faces(labels))] = True
    outer[0] = False
    return outer[labels]
