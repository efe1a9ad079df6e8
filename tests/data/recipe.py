"""Weights and volumes made of a hash, the same on every machine: see the networks' tests."""

import math

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


def fill(module: nn.Module) -> nn.Module:
    """Overwrite every parameter and buffer, by its name, shape and place in the state dict."""
    with torch.no_grad():
        for place, (name, tensor) in enumerate(module.state_dict().items()):
            values = _values(name, tuple(tensor.shape), uniform(place, tensor.numel()))
            tensor.copy_(torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape))
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
    if len(shape) > 1:
        return math.sqrt(2) * math.sqrt(3 / math.prod(shape[1:])) * v
    return 0.75 + 0.5 * u if last == "weight" else 0.2 * v
