"""A real pair with the T1nce as the T1ce's scan would show it, and what is known of it."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from clinica_t1nce.bids.pairs import PairFiles
from clinica_t1nce.errors import ImageError, T1nceError
from clinica_t1nce.files import atomic, nifti
from clinica_t1nce.files.text import read_json
from clinica_t1nce.training.data.preparation import digest, in_parallel, save_array, state_of
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

logger = logging.getLogger("clinica_t1nce")


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
class FittedPair:
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
) -> FittedPair:
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
    return FittedPair(np.stack([x, fitted, mask]).astype(np.float16), facts)


class FittedPairCache:
    """A folder of prepared pairs, each made once, whatever training asks for it.

    Parameters
    ----------
    folder
        Folder; made if missing.
    scaling
        Scaling of the card's input.
    """

    def __init__(self, folder: Path, scaling: Mapping[str, Any]):
        self.folder = folder
        self.scaling = dict(scaling)

    def path(self, pair: PairFiles) -> Path:
        """Return the path of a prepared pair; a changed image has another.

        Raises
        ------
        TrainingError
            If an image is not there.
        """
        assert pair.t1ce is not None and pair.t1nce is not None
        states = (*state_of(pair.t1ce), *state_of(pair.t1nce))
        return self.folder / f"{digest(PREPARATION, self.scaling, *states)[:20]}.npy"

    def load(self, pair: PairFiles) -> FittedPair:
        """Prepare a pair if it is not there yet, and map it into memory.

        Raises
        ------
        TrainingError, ImageError
            If an image is missing or cannot be read, or the two cannot be compared.
        """
        target = self.path(pair)
        about = target.with_suffix(".json")
        if not (target.exists() and about.exists()):
            prepared = self._prepare(pair)
            save_array(target, prepared.volumes)
            with atomic.temporary(about) as part:
                part.write_text(json.dumps(asdict(prepared.facts)), encoding="utf-8")
        facts = read_json(about)
        return FittedPair(
            np.load(target, mmap_mode="r"), Facts(**{**facts, "blur": tuple(facts["blur"])})
        )

    def _prepare(self, pair: PairFiles) -> FittedPair:
        loaded = [nifti.load(image) for image in (pair.t1ce, pair.t1nce) if image is not None]
        if not np.allclose(loaded[0].affine, loaded[1].affine, atol=1e-3):
            raise ImageError(f"{pair.name}: the two images have different affines; align them")
        t1ce, t1nce = (grids.to_ras(image.data, image.affine) for image in loaded)
        try:
            return fit_pair(t1ce, t1nce, self.scaling)
        except ImageError as error:
            raise ImageError(f"{pair.name}: {error}") from error

    def fill(self, pairs: Sequence[PairFiles], workers: int = 0) -> dict[str, str]:
        """Prepare what is missing.

        Parameters
        ----------
        pairs
            Pairs that are wanted.
        workers
            Number of processes.

        Returns
        -------
        dict
            Why a pair cannot be trained on, by the name of the pair.
        """
        problems = {}
        found = in_parallel(self._problem, pairs, workers)
        for number, (pair, problem) in enumerate(zip(pairs, found, strict=True), start=1):
            if problem:
                problems[pair.name] = problem
            if number % 10 == 0 or number == len(pairs):
                logger.info("prepared %d of %d real pairs", number, len(pairs))
        return problems

    def _problem(self, pair: PairFiles) -> str:
        """Prepare a pair, and say what is wrong with it."""
        try:
            return self.load(pair).facts.problem
        except T1nceError as error:
            return str(error)


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
