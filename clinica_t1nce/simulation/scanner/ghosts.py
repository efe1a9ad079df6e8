"""Ghosts of the whole head along the phase-encoding axis."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.scanner.quality import Quality


@dataclass(frozen=True)
class Ghosts:
    """Faint shifted copies, from breathing and from steps between echoes.

    Attributes
    ----------
    axis
        Phase-encoding axis.
    copies
        For each its shift in shares of the field of view, and its weight.
    """

    axis: int
    copies: tuple[tuple[float, float], ...]

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "Ghosts | None":
        """Draw one shift and its opposite, perhaps the double; weights of 1 to 10 %."""
        if rng.random() >= quality.ghosts:
            return None
        shift, weight = rng.uniform(0.1, 0.5), rng.uniform(0.01, 0.1)
        copies = [(shift, weight), (-shift, weight)]
        if rng.random() < 0.5:
            copies += [(2 * shift, weight / 2), (-2 * shift, weight / 2)]
        return cls(int(rng.integers(3)), tuple(copies))

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """Apply to 2 x D x H x W."""
        out = pair.clone()
        for shift, weight in self.copies:
            voxels = round(shift * pair.shape[self.axis + 1])
            out += weight * pair.roll(voxels, self.axis + 1)
        return out
