"""Pairs of volumes on disk: brought to the network's input once, and mapped into memory."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clinica_t1nce.bids.pairs import PairFiles
from clinica_t1nce.errors import T1nceError, TrainingError, some
from clinica_t1nce.files import atomic, nifti
from clinica_t1nce.training.data.numbered import Batch, seed_of, shuffled
from clinica_t1nce.training.data.preparation import (
    digest,
    in_parallel,
    save_array,
    state_of,
    volume_for,
    whole,
)
from clinica_t1nce.training.data.variation import Augmentation
from clinica_t1nce.volumes import grids

PREPARATION = 1
"""Version of :func:`~clinica_t1nce.training.data.preparation.volume_for`: counted up when its
result changes."""

_EMPTY = 0.05
_TRIES = 20
_REPORT_EVERY = 50

logger = logging.getLogger("clinica_t1nce")


class VolumePairs:
    """Pairs of prepared volumes, in a new order each time that all were seen.

    Parameters
    ----------
    t1ce, t1nce
        Files, ``.npy``, of prepared volumes. Paired: of the same length and order. Unpaired: any
        lengths; a T1ce and a T1nce are drawn independently of each other.
    seed
        Seed of order, patches and augmentation; None: in the order given, and always the same
        patches, to validate on.
    patch
        Side of the cubic patches; None: whole volumes.
    augmentation
        Random changes of each pair, or None.
    paired
        Whether the two lists are of pairs.
    """

    def __init__(
        self,
        t1ce: Sequence[Path],
        t1nce: Sequence[Path],
        seed: int | None,
        patch: int | None = None,
        augmentation: Augmentation | None = None,
        paired: bool = True,
    ):
        self.files = (list(t1ce), list(t1nce))
        self.seed = seed
        self.patch = patch
        self.augmentation = augmentation
        self.paired = paired

    @property
    def epoch(self) -> int:
        """Number of pairs; of unpaired images, that of the side that has more."""
        return max(map(len, self.files))

    def pair(self, number: int) -> Batch:
        """Read pair `number`; numbers go on beyond the first epoch."""
        first, second = (
            self._file(side, number, stream=0 if self.paired else side) for side in (0, 1)
        )
        volumes = [np.load(file, mmap_mode="r") for file in (first, second)]
        if self.patch is not None:
            volumes = _cut_both(volumes, self.patch, np.random.default_rng(self._seed(number)))
        batch = whole(*volumes)
        if self.augmentation is not None:
            batch = self.augmentation(batch, self._seed(number))
        return batch

    def _file(self, side: int, number: int, stream: int) -> Path:
        files = self.files[side]
        if self.seed is None:
            return files[number % len(files)]
        return files[shuffled(number, len(files), self.seed, stream)]

    def _seed(self, number: int) -> int:
        return seed_of(self.seed or 0, number)


class VolumeCache:
    """A folder of prepared volumes, each made once, whatever training asks for it.

    Parameters
    ----------
    folder
        Folder of the prepared volumes; made if missing.
    grid, scaling
        Grid and scaling of the network's input; see
        :func:`clinica_t1nce.training.data.preparation.volume_for`.
    """

    def __init__(self, folder: Path, grid: Sequence[int] | None, scaling: Mapping[str, Any]):
        self.folder = folder
        self.grid = None if grid is None else tuple(grid)
        self.scaling = dict(scaling)

    def path(self, image: Path) -> Path:
        """Return the path of an image's prepared volume; a changed image has another.

        Raises
        ------
        TrainingError
            If the image is not there.
        """
        name = digest(*state_of(image), self.grid, self.scaling, PREPARATION)[:20]
        return self.folder / f"{name}.npy"

    def fill(self, pairs: Sequence[PairFiles], workers: int = 0) -> None:
        """Prepare what is missing.

        Parameters
        ----------
        pairs
            Pairs whose images are wanted.
        workers
            Number of processes.

        Raises
        ------
        TrainingError
            If images cannot be used, or the two of a pair are the same or of different grids.
        OutputError
            If the disk has too little space.
        """
        missing = [
            pair for pair in pairs if any(not self.path(image).exists() for image in _sides(pair))
        ]
        self._check_space(missing)
        problems = []
        for number, problem in enumerate(in_parallel(self._problem, missing, workers), start=1):
            problems += [problem] if problem else []
            if number % _REPORT_EVERY == 0 or number == len(missing):
                logger.info("prepared the images of %d pairs of %d", number, len(missing))
        if problems:
            raise TrainingError(
                f"{len(problems)} of {len(pairs)} pairs cannot be trained on: "
                f"{some(problems, '; ')}; correct these pairs or take them out of the table"
            )

    def prepare(self, image: Path) -> np.ndarray:
        """Prepare one image, if it is not there yet, and map it into memory."""
        target = self.path(image)
        if not target.exists():
            loaded = nifti.load(image)
            volume = volume_for(grids.to_ras(loaded.data, loaded.affine), self.grid, self.scaling)
            save_array(target, volume)
        prepared: np.ndarray = np.load(target, mmap_mode="r")
        return prepared

    def _problem(self, pair: PairFiles) -> str:
        """Prepare a pair, and say what is wrong with it."""
        try:
            volumes = [self.prepare(image) for image in _sides(pair)]
        except T1nceError as error:
            return str(error)
        if len(volumes) == 2:
            if volumes[0].shape != volumes[1].shape:
                return f"{pair.name}: grids of {volumes[0].shape} and {volumes[1].shape} voxels"
            if np.array_equal(volumes[0], volumes[1]):
                return f"{pair.name}: the same image on both sides"
        return ""

    def _check_space(self, pairs: Sequence[PairFiles]) -> None:
        shape = self.grid or nifti.CROP_SHAPE
        wanted = {self.path(image) for pair in pairs for image in _sides(pair)}
        size = 4 * int(np.prod(shape)) * sum(not path.exists() for path in wanted)
        atomic.check_space(self.folder, size, "prepared volumes (another disk: --cache)")


def _sides(pair: PairFiles) -> list[Path]:
    return [image for image in (pair.t1ce, pair.t1nce) if image is not None]


def _cut_both(
    volumes: Sequence[np.ndarray], side: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Cut a patch that holds some of the head, the same of both volumes."""
    shape = volumes[0].shape
    if min(shape) < side:
        raise TrainingError(f"volumes of {shape} voxels hold no patch of {side}; lower --patch")
    for _ in range(_TRIES):
        start = [int(rng.integers(length - side + 1)) for length in shape]
        box = tuple(slice(first, first + side) for first in start)
        cut = [np.array(volume[box]) for volume in volumes]
        if np.mean(cut[0] > _EMPTY) >= _EMPTY:
            break
    return cut
