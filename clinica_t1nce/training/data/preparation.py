"""From a volume to what a network is given, and to a pair of tensors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from clinica_t1nce.training.data.numbered import Batch
from clinica_t1nce.volumes import grids, intensity


def volume_for(
    volume: np.ndarray, grid: Sequence[int] | None, scaling: Mapping[str, Any]
) -> np.ndarray:
    """Bring a volume to a network: scale, then resample, as synthesis does.

    Parameters
    ----------
    volume
        D x H x W, finite, any unit, axes right, anterior, superior.
    grid
        Of the network; None: the volume's own.
    scaling
        As :func:`clinica_t1nce.volumes.intensity.measure` takes it.

    Returns
    -------
    numpy.ndarray
        float32.

    Raises
    ------
    ImageError
        If it cannot be scaled: a constant volume, say.
    """
    scaled = intensity.measure(volume, **scaling).apply(np.asarray(volume, np.float32))
    tensor = torch.from_numpy(np.ascontiguousarray(scaled, np.float32))[None, None]
    return grids.resample(tensor, grid or volume.shape)[0, 0].numpy()


def whole(t1ce: np.ndarray, t1nce: np.ndarray) -> Batch:
    """Make a pair of two volumes, all of whose voxels count."""
    images_of = (torch.from_numpy(np.array(volume))[None] for volume in (t1ce, t1nce))
    first, second = images_of
    return {"t1ce": first, "t1nce": second, "mask": torch.ones_like(first, dtype=torch.bool)}
