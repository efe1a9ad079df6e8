"""Blur of the acquisition and of t1-linear's resampling."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.fields import blur
from clinica_t1nce.simulation.scanner.quality import Quality, draw


@dataclass(frozen=True)
class PointSpread:
    """A Gaussian of one width an axis, in voxels."""

    sigmas: tuple[float, float, float]

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "PointSpread":
        """Draw one width an axis."""
        return cls((draw(rng, quality.blur), draw(rng, quality.blur), draw(rng, quality.blur)))

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """Apply to 2 x D x H x W."""
        return blur(pair, self.sigmas)
