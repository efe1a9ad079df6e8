"""Two scans never lie exactly on each other."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F


@dataclass(frozen=True)
class Move:
    """A small rigid motion about the middle of the grid: degrees and voxels."""

    degrees: tuple[float, float, float]
    shift: tuple[float, float, float]

    @classmethod
    def sample(cls, rng: np.random.Generator, largest: float) -> "Move":
        """Draw each angle and shift up to `largest` degrees and voxels."""
        a, b, c, x, y, z = rng.uniform(-largest, largest, 6).tolist()
        return cls((a, b, c), (x, y, z))

    def __call__(self, volumes: torch.Tensor) -> torch.Tensor:
        """Apply to C x D x H x W; the border goes on outside."""
        shape = torch.tensor(volumes.shape[1:], dtype=torch.float64)
        half = (shape - 1) / 2
        matrix = torch.eye(3, dtype=torch.float64)
        for (first, second), angle in zip(((1, 2), (0, 2), (0, 1)), self.degrees, strict=True):
            radians = torch.tensor(angle, dtype=torch.float64).deg2rad()
            turn = torch.eye(3, dtype=torch.float64)
            turn[first, first] = turn[second, second] = radians.cos()
            turn[first, second], turn[second, first] = -radians.sin(), radians.sin()
            matrix = matrix @ turn
        # From normalised coordinates, in which F.grid_sample counts, and in its order x, y, z.
        scaled = torch.diag(1 / half) @ matrix @ torch.diag(half)
        offset = torch.tensor(self.shift, dtype=torch.float64) / half
        theta = torch.cat([scaled.flip(0, 1), offset.flip(0)[:, None]], 1).float()
        grid = F.affine_grid(
            theta[None].to(volumes.device), [1, 1, *volumes.shape[1:]], align_corners=True
        )
        return F.grid_sample(volumes[None], grid, padding_mode="border", align_corners=True)[0]


@dataclass(frozen=True)
class Misregistration:
    """What rigid registration leaves: up to a degree and a millimetre."""

    move: Move

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Misregistration":
        """Draw; most are far smaller than the largest."""
        return cls(Move.sample(rng, rng.uniform(0, 1) ** 2))

    def __call__(self, volumes: torch.Tensor) -> torch.Tensor:
        """Apply to C x D x H x W."""
        return self.move(volumes)
