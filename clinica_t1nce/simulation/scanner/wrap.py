"""A field of view smaller than the head."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.fields import soft_step
from clinica_t1nce.simulation.scanner.quality import Quality


@dataclass(frozen=True)
class Wrap:
    """What lies beyond one edge of the field of view is seen at the other.

    Attributes
    ----------
    axis
        Phase-encoding axis.
    share
        Of the field of view that is folded over, negative: at its far end.
    """

    axis: int
    share: float
    weight: float

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "Wrap | None":
        """Draw; up to a quarter of the field of view, weakened by the coil."""
        if rng.random() >= quality.wrap:
            return None
        share = rng.uniform(0.05, 0.25) * rng.choice([-1, 1])
        return cls(int(rng.integers(3)), float(share), rng.uniform(0.2, 0.9))

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """Apply to 2 x D x H x W."""
        n = pair.shape[self.axis + 1]
        width = abs(self.share) * n
        shape = [1, 1, 1, 1]
        shape[self.axis + 1] = -1
        from_edge = torch.arange(n, device=pair.device).float()
        if self.share < 0:
            from_edge = from_edge.flip(0)
        band = soft_step(width - from_edge, 0.5).view(shape)
        voxels = round(width) if self.share > 0 else -round(width)
        return pair + self.weight * band * pair.roll(voxels, self.axis + 1)
