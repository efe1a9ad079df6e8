"""Shared by effects: enhancement is seldom the same everywhere."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.fields import generator, patches, smooth_noise


@dataclass(frozen=True)
class Patchy:
    """Where an effect shows at all (soft patches), and how its amount wavers.

    Attributes
    ----------
    amount
        Mean enhancement, in units of white matter.
    waver
        Relative standard deviation of the amount.
    level
        Threshold of the patches; None: everywhere.
    """

    amount: float
    waver: float
    waver_spacing: float
    level: float | None
    patch_spacing: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, low: float, high: float, patchy: float) -> "Patchy":
        """Draw an amount between `low` and `high`, in patches with probability `patchy`."""
        return cls(
            amount=rng.uniform(low, high),
            waver=rng.uniform(0.05, 0.3) if rng.random() < 0.7 else 0.0,
            waver_spacing=rng.uniform(3, 12),
            level=rng.uniform(-0.8, 1.5) if rng.random() < patchy else None,
            patch_spacing=rng.uniform(6, 22),
            seed=int(rng.integers(2**31)),
        )

    def spread(self, share: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Return the voxels' share after the patches, and the amount in each voxel."""
        random = generator(self.seed, share.device)
        if self.level is not None:
            share = share * patches(share.shape, self.patch_spacing, self.level, 4, random)
        if not self.waver:
            return share, self.amount
        noise = smooth_noise(share.shape, self.waver_spacing, random)
        return share, (self.amount * (1 + self.waver * noise)).clamp_min(0)
