"""The coil's sensitivity."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.fields import generator, smooth_noise
from clinica_t1nce.simulation.scanner.quality import Quality, draw


@dataclass(frozen=True)
class BiasField:
    """Smooth and multiplicative: up to 20 % standard deviation of its log."""

    size: float
    spacing: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "BiasField":
        """Draw; t1-linear has run N4, so that what is left is mild."""
        return cls(draw(rng, quality.bias), rng.uniform(30, 70), int(rng.integers(2**31)))

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """Apply to 2 x D x H x W."""
        random = generator(self.seed, pair.device)
        return pair * torch.exp(self.size * smooth_noise(pair.shape[1:], self.spacing, random))
