"""From images to what a network is given: scaled, resampled, and kept on disk."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.files import atomic
from clinica_t1nce.training.data.numbered import Batch
from clinica_t1nce.volumes import grids, intensity


def volume_for(
    volume: np.ndarray,
    grid: Sequence[int] | None,
    scaling: Mapping[str, Any],
    like: np.ndarray | None = None,
) -> np.ndarray:
    """Bring a volume to a network: scale, then resample, as synthesis does.

    Parameters
    ----------
    volume
        Volume, D x H x W, finite, any unit, axes right, anterior, superior.
    grid
        Grid of the network; None: the volume's own.
    scaling
        Scaling of the card, as :func:`clinica_t1nce.volumes.intensity.measure` takes it.
    like
        Volume that the scaling is measured on; None: `volume` itself.

    Returns
    -------
    numpy.ndarray
        float32 volume on the grid.

    Raises
    ------
    ImageError
        If it cannot be scaled: a constant volume, say.
    """
    measured = intensity.measure(volume if like is None else like, **scaling)
    scaled = measured.apply(np.asarray(volume, np.float32))
    tensor = torch.from_numpy(np.ascontiguousarray(scaled, np.float32))[None, None]
    return grids.resample(tensor, grid or volume.shape)[0, 0].numpy()


def whole(t1ce: np.ndarray, t1nce: np.ndarray) -> Batch:
    """Make a pair of two volumes, all of whose voxels count."""
    first, second = (torch.from_numpy(np.array(volume))[None] for volume in (t1ce, t1nce))
    return {"t1ce": first, "t1nce": second, "mask": torch.ones_like(first, dtype=torch.bool)}


def state_of(image: Path) -> list[Any]:
    """Return what changes when a file does.

    Raises
    ------
    TrainingError
        If the file is not there.
    """
    try:
        state = image.stat()
    except OSError as error:
        raise TrainingError(f"{image}: {error.strerror}; check the path") from error
    return [str(image.resolve()), state.st_size, state.st_mtime_ns]


def digest(*content: Any) -> str:
    """Return 64 hexadecimal digits that differ where the content, fit for JSON, does."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a ``.npy`` file, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with atomic.temporary(path) as part, part.open("wb") as file:
        np.save(file, array)


def in_parallel(work: Callable[[Any], Any], items: Sequence[Any], workers: int) -> DataLoader:
    """Do a piece of work for each item, in order, in so many processes; none: in this one."""
    return DataLoader(_WorkItems(work, items), batch_size=None, num_workers=workers)


class _WorkItems(Dataset):
    def __init__(self, work: Callable[[Any], Any], items: Sequence[Any]):
        self.work = work
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.work(self.items[index])
