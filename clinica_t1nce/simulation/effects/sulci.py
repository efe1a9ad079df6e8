"""Fluid in the sulci that many small vessels lift towards gray matter."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Sulci:
    """Partial volume of vessels in narrow sulci: what makes gray matter look too thick.

    On real pairs the sulcal CSF rises from 0.4 to 0.7 of white matter.
    """

    fluid: Patchy
    wall: Patchy | None
    reach: float
    clumps: tuple[float, float]
    clump_spacings: tuple[float, float]
    height: float
    variance: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Sulci | None":
        """Draw; absent in half of the heads."""
        if rng.random() < 0.5:
            return None
        return cls(
            fluid=Patchy.sample(rng, 0.03, 0.4, patchy=0.9),
            wall=Patchy.sample(rng, 0.02, 0.15, patchy=0.8) if rng.random() < 0.5 else None,
            reach=rng.uniform(0.7, 3),
            clumps=(rng.uniform(0, 0.6), rng.uniform(0, 0.6)),
            clump_spacings=(rng.uniform(1.5, 5), rng.uniform(1.5, 5)),
            height=rng.uniform(-0.5, 0.8),
            variance=rng.uniform(0.3, 0.9),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Lift fluid within `reach` of the brain, clumpily, and the wall of the sulcus."""
        random = generator(self.seed, scene.device)
        fluid = scene.is_tissue(
            Tissue.CSF, Tissue.CHOROID_PLEXUS, Tissue.BACKGROUND, Tissue.VENOUS_SINUS
        )
        lift = soft_step(self.reach - scene.outside_tissue, 0.5) * fluid * scene.intracranial
        for strength, spacing in zip(self.clumps, self.clump_spacings, strict=True):
            noise = smooth_noise(scene.shape, spacing, random)
            lift = lift * (1 + strength * noise).clamp_min(0)
        scene.enhance(*self.fluid.spread(lift))
        if self.wall is not None:
            wall = torch.exp(-(scene.outside_tissue - self.height).square() / self.variance)
            scene.enhance(*self.wall.spread(wall * scene.intracranial))
