"""Patches of real pairs, the T1nce as the T1ce's scan would show it: to train on the change."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch.utils.data import DataLoader, Dataset

from clinica_t1nce.errors import ImageError, T1nceError
from clinica_t1nce.files import atomic, nifti
from clinica_t1nce.files.text import read_json
from clinica_t1nce.training.data.numbered import Batch, seed_of
from clinica_t1nce.training.data.variation import Variation
from clinica_t1nce.training.data.volume_pairs import PairFiles
from clinica_t1nce.volumes import grids, intensity
from clinica_t1nce.volumes.fitting import anchor, smooth_fit

PREPARATION = 1
"""Version of :func:`prepare`: counted up when its result changes."""

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
"""Share of zeros around a skull-stripped brain in its own box, at least."""

_SHARP = 0.6
"""Gradients of the T1nce over the T1ce's, along the sharpest axis, of an image that is no smoother
than its contrast and its lower noise make it."""

_MARGIN = 8
_FURTHEST = 3
_HELD = 0.3
_TRIES = 20

logger = logging.getLogger("clinica_t1nce")


@dataclass(frozen=True)
class Facts:
    """What is known of a prepared pair.

    Attributes
    ----------
    deviation
        Robust standard deviation of the T1ce from the fitted T1nce, white matter = 1.
    enhancing
        Share of voxels that exceed the fitted T1nce by more than noise, less the share of those
        that fall below it as far: 0 where nothing enhances.
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
        3 x D x H x W, float16: T1ce, fitted T1nce (0 outside the mask), mask.
    facts
        What is known of it.
    """

    volumes: np.ndarray
    facts: Facts


def prepare(
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
    air = AIR if float(np.mean(x == 0)) > _EMPTY_AIR else AIR_OF_HEADS
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


class PairCache:
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
        """Say where a prepared pair belongs; a changed image has another place.

        Raises
        ------
        ImageError
            If an image is not there.
        """
        assert pair.t1ce is not None and pair.t1nce is not None
        identity: list[Any] = [PREPARATION, self.scaling]
        for image in (pair.t1ce, pair.t1nce):
            try:
                state = image.stat()
            except OSError as error:
                raise ImageError(f"{image}: {error.strerror}; check the path") from error
            identity += [str(image.resolve()), state.st_size, state.st_mtime_ns]
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        return self.folder / f"{digest[:20]}.npy"

    def load(self, pair: PairFiles) -> PreparedPair:
        """Prepare a pair if it is not there yet, and map it into memory.

        Raises
        ------
        ImageError
            If an image cannot be read, or the two cannot be compared; names the pair.
        """
        target = self.path(pair)
        about = target.with_suffix(".json")
        if not (target.exists() and about.exists()):
            prepared = self._prepare(pair)
            with atomic.temporary(target) as part, part.open("wb") as file:
                np.save(file, prepared.volumes)
            with atomic.temporary(about) as part:
                part.write_text(json.dumps(asdict(prepared.facts)), encoding="utf-8")
        facts = read_json(about)
        return PreparedPair(
            np.load(target, mmap_mode="r"), Facts(**{**facts, "blur": tuple(facts["blur"])})
        )

    def _prepare(self, pair: PairFiles) -> PreparedPair:
        loaded = [nifti.load(image) for image in (pair.t1ce, pair.t1nce) if image is not None]
        if not np.allclose(loaded[0].affine, loaded[1].affine, atol=1e-3):
            raise ImageError(f"{pair.name}: the two images have different affines; align them")
        t1ce, t1nce = (grids.to_ras(image.data, image.affine) for image in loaded)
        try:
            return prepare(t1ce, t1nce, self.scaling)
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
        work = _Preparing(self, pairs)
        for number, (name, problem) in enumerate(
            DataLoader(work, batch_size=None, num_workers=workers), start=1
        ):
            if problem:
                problems[name] = problem
            if number % 10 == 0 or number == len(pairs):
                logger.info("prepared %d of %d real pairs", number, len(pairs))
        return problems


class _Preparing(Dataset):
    """Prepares one pair an item, and says what is wrong with it."""

    def __init__(self, cache: PairCache, pairs: Sequence[PairFiles]):
        self.cache = cache
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[str, str]:
        pair = self.pairs[index]
        try:
            return pair.name, self.cache.load(pair).facts.problem
        except T1nceError as error:
            return pair.name, str(error)


class RealPatches:
    """Patches of real pairs, in a new order each time that all pairs were seen.

    Parameters
    ----------
    pairs
        Prepared pairs.
    seed
        Seed of order, patches and variation.
    patch
        Side of the cubic patches, voxels.
    t1nce_share
        Share of patches, of the pairs whose T1nce is sharp, in which the T1nce is shown in place
        of the T1ce: nothing is to be removed then.
    variation
        Random changes of a patch; None: patches as they are.
    """

    def __init__(
        self,
        pairs: Sequence[PreparedPair],
        seed: int,
        patch: int,
        t1nce_share: float = 0.15,
        variation: Variation | None = None,
    ):
        self.pairs = list(pairs)
        self.seed = seed
        self.patch = patch
        self.t1nce_share = t1nce_share
        self.variation = variation

    @property
    def epoch(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    def pair(self, number: int) -> Batch:
        """Cut patch `number`; numbers go on beyond the first epoch."""
        epoch, place = divmod(number, len(self.pairs))
        order = np.random.default_rng([self.seed, 1, epoch]).permutation(len(self.pairs))
        prepared = self.pairs[int(order[place])]
        rng = np.random.default_rng(seed_of(self.seed, number))
        sharp = max(prepared.facts.blur) == 0
        zoom = self.variation.zoom(rng) if self.variation else 1.0
        x, y, mask = _cut(prepared.volumes, round(self.patch * zoom), rng)
        batch = _batch(x, y, mask, [sigma / zoom for sigma in prepared.facts.blur])
        if self.variation is not None:
            batch = self.variation(batch, self.patch, sharp, rng)
        if sharp and rng.random() < self.t1nce_share:
            batch["t1ce"] = batch["t1nce"].clone()
        return batch


class RealVolumes:
    """Whole prepared pairs, to validate on.

    Parameters
    ----------
    pairs
        Prepared pairs.
    multiple
        Number that every side is padded to a multiple of.
    """

    def __init__(self, pairs: Sequence[PreparedPair], multiple: int):
        self.pairs = list(pairs)
        self.multiple = multiple

    @property
    def epoch(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    def pair(self, number: int) -> Batch:
        """Give pair `number`."""
        prepared = self.pairs[number]
        pads = [(0, -side % self.multiple) for side in prepared.volumes.shape[1:]]
        x, y, mask = (
            torch.from_numpy(np.pad(volume.astype(np.float32), pads)) for volume in prepared.volumes
        )
        batch = _batch(x, y, mask, prepared.facts.blur)
        return batch | {"deviation": torch.tensor(prepared.facts.deviation)}


def _batch(x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor, blur: Sequence[float]) -> Batch:
    inside = mask > 0.9
    # Outside the mask nothing is known: there, both images are the T1ce.
    return {
        "t1ce": x[None],
        "t1nce": torch.where(inside, y.clamp(min=0), x)[None],
        "mask": inside[None],
        "noisy": torch.tensor(True),
        "blur": torch.tensor([float(sigma) for sigma in blur]),
    }


def _cut(volumes: np.ndarray, side: int, rng: np.random.Generator) -> list[torch.Tensor]:
    """Cut a patch of which a third is tissue, if there is one; beyond the volume it is 0."""
    for _ in range(_TRIES):
        start = [int(rng.integers(max(length - side, 0) + 1)) for length in volumes.shape[1:]]
        box = tuple(slice(first, first + side) for first in start)
        if volumes[2][box].mean(dtype=np.float32) >= _HELD:
            break
    cut = volumes[(slice(None), *box)].astype(np.float32)
    pads = [(0, 0), *((0, side - length) for length in cut.shape[1:])]
    return list(torch.from_numpy(np.pad(cut, pads)))
