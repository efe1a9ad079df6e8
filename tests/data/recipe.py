"""Weights and volumes made of a hash, the same on every machine: see the networks' tests."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

_PRIMES = (0x85EBCA6B, 0xC2B2AE35)


def uniform(stream: int, size: int) -> np.ndarray:
    """Give `size` numbers in (0, 1), float64, the same for the same stream."""
    mask = np.uint64(0xFFFFFFFF)
    h = (np.arange(size, dtype=np.uint64) + np.uint64(0x9E3779B9 * (stream + 1) % 2**32)) & mask
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(_PRIMES[0])) & mask
    h ^= h >> np.uint64(13)
    h = (h * np.uint64(_PRIMES[1])) & mask
    h ^= h >> np.uint64(16)
    return (h + 0.5) / 2**32


def volume(number: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Give a wavy, noisy volume in (0, 1), float32."""
    d, h, w = np.ogrid[: shape[0], : shape[1], : shape[2]]
    noise = 2 * uniform(1000 + number, math.prod(shape)).reshape(shape) - 1
    waves = 0.2 * np.sin(0.31 * d + 0.2 + 0.5 * number) * np.cos(0.23 * h)
    waves = waves + 0.15 * np.sin(0.17 * w + 0.05 * d)
    return (0.5 + waves + 0.14 * noise).astype(np.float32)


def tensor(place: int, name: str, shape: Sequence[int]) -> torch.Tensor:
    """Give the values of one tensor of a state dict, float32 (int64 for a count)."""
    values = _values(name, tuple(shape), uniform(place, math.prod(shape)))
    kind = np.int64 if name.endswith("num_batches_tracked") else np.float32
    return torch.from_numpy(values.astype(kind)).reshape(tuple(shape))


def fill(module: nn.Module, names: Sequence[str] | None = None) -> nn.Module:
    """Overwrite every parameter and buffer, by its name, shape and place among `names`.

    Without `names` the place is that in the module's state dict.
    """
    own = module.state_dict()
    places = {name: place for place, name in enumerate(names or own)}
    with torch.no_grad():
        for name, target in own.items():
            target.copy_(tensor(places[name], name, target.shape))
    return module


def _values(name: str, shape: tuple[int, ...], u: np.ndarray) -> np.ndarray:
    v = 2 * u - 1
    last = name.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return np.zeros_like(u)
    if last == "running_var":
        return 0.5 + u
    if last == "running_mean":
        return 0.2 * v
    if last == "position_embeddings":
        return 0.5 * v
    if len(shape) > 1:
        gain = 2.0 if name.endswith("qkv.weight") else math.sqrt(2)
        # The tanh of Res-U-Net's last layer is kept from its ends.
        gain = 0.3 if name == "final.model.1.weight" else gain
        return gain * math.sqrt(3 / math.prod(shape[1:])) * v
    return 0.75 + 0.5 * u if last == "weight" else 0.2 * v
