"""Vessels that follow no surface: bridging veins, vessels of the cisterns, deep veins."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import distance_to_zero, generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene


@dataclass(frozen=True)
class FreeVessel:
    """Winding tubes where the zero sets of two smooth noises cross.

    In tissue (medullary and subependymal veins) they are thin and only enhance; in the fluid they
    have an intensity of their own before gadolinium.
    """

    blood: Patchy
    windings: tuple[float, float]
    radius: float
    unenhanced: float | None
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "FreeVessel":
        """Draw; two in five run in tissue."""
        in_tissue = rng.random() < 0.4
        low, high = (0.05, 0.5) if in_tissue else (0.2, 1.5)
        return cls(
            blood=Patchy.sample(rng, low, high, patchy=0.5),
            windings=(rng.uniform(9, 22), rng.uniform(9, 22)),
            radius=rng.uniform(0.3, 1.2),
            unenhanced=None if in_tissue else contrast.unenhanced_blood(rng),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Draw the tubes into the image and its enhancement."""
        random = generator(self.seed, scene.device)
        first, second = (
            distance_to_zero(smooth_noise(scene.shape, winding, random))
            for winding in self.windings
        )
        where = scene.intracranial
        if self.unenhanced is not None:
            where = where & scene.outside_brain
        tube = soft_step(self.radius - torch.hypot(first, second), 0.25) * where
        share, amount = self.blood.spread(tube)
        if self.unenhanced is not None:
            scene.paint(share, self.unenhanced)
        scene.enhance(share, amount)
