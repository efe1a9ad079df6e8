"""Slices thicker than the grid."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.fields import blur, generator, stretch
from clinica_t1nce.simulation.scanner.quality import Quality, draw


@dataclass(frozen=True)
class ThickSlices:
    """Slices along one axis, interpolated back to 1 mm, and noise that came after that."""

    axis: int
    thickness: float
    noise: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "ThickSlices | None":
        """Draw."""
        if rng.random() >= quality.thick:
            return None
        noise = rng.uniform(0, 0.02) if rng.random() < 0.7 else 0.0
        seed = int(rng.integers(2**31))
        return cls(int(rng.integers(3)), draw(rng, quality.thickness), noise, seed)

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """Apply to 2 x D x H x W."""
        shape = pair.shape[1:]
        sigmas = [0.0, 0.0, 0.0]
        sigmas[self.axis] = 0.42 * self.thickness
        sliced = list(shape)
        sliced[self.axis] = max(4, int(shape[self.axis] / self.thickness))
        pair = stretch(stretch(blur(pair, sigmas), sliced), shape)
        random = generator(self.seed, pair.device)
        noise = self.noise * torch.randn(shape, generator=random, device=pair.device)
        return torch.stack([pair[0] + noise, pair[1]])
