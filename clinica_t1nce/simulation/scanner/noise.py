"""Noise of the receiver."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.fields import blur, generator
from clinica_t1nce.simulation.scanner.quality import Quality, draw


@dataclass(frozen=True)
class Noise:
    """Noise of the image, the same with gadolinium as without.

    Attributes
    ----------
    size
        Standard deviation, white matter = 1.
    smoothness
        Width in voxels of the filter that correlated it, 0: none.
    rician
        Whether the image is a magnitude (Gudbjartsson and Patz, Magn Reson Med 1995): dark parts
        are lifted. Coils combined otherwise, and corrected images, have Gaussian noise.
    """

    size: float
    smoothness: float
    rician: bool
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "Noise":
        """Draw; resampling has correlated the noise of half of the images."""
        smoothness = rng.uniform(0.4, 0.9) if rng.random() < 0.5 else 0.0
        rician = bool(rng.random() < 0.5)
        return cls(draw(rng, quality.noise), smoothness, rician, int(rng.integers(2**31)))

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """Apply to 2 x D x H x W."""
        image, enhancement = pair
        real = image + self._noise(pair, 0)
        if not self.rician:
            return torch.stack([real, enhancement])
        imaginary = self._noise(pair, 1)
        without = torch.hypot(real, imaginary)
        return torch.stack([without, torch.hypot(real + enhancement, imaginary) - without])

    def _noise(self, pair: torch.Tensor, part: int) -> torch.Tensor:
        random = generator(self.seed + part, pair.device)
        noise = torch.randn(pair.shape[1:], generator=random, device=pair.device)
        return self.size * (1 + 1.5 * self.smoothness) * blur(noise, (self.smoothness,) * 3)
