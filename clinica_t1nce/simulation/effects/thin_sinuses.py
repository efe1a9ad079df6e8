"""Sinuses where the labels are thin or end: straight, transverse, sigmoid, inferior sagittal."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene


@dataclass(frozen=True)
class ThinSinuses:
    """Tubes where folds of dura meet: falx and tentorium, tentorium and skull, falx and skull.

    Attributes
    ----------
    radii
        In mm, for the straight, the transverse and the superior sagittal sinus (0: none).
    inferior
        Distance of the inferior sagittal sinus from the brain in mm, or None.
    """

    blood: Patchy
    radii: tuple[float, float, float]
    inferior: float | None
    unenhanced: float
    roughness: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "ThinSinuses | None":
        """Draw; absent in two heads of five. Radii as in anatomy: 1 to 4 mm."""
        if rng.random() < 0.4:
            return None
        return cls(
            blood=Patchy.sample(rng, 0.3, 2.0, patchy=0.3),
            radii=(rng.uniform(0.8, 2.5), rng.uniform(1, 4), rng.uniform(0, 3)),
            inferior=rng.uniform(0.3, 2.0) if rng.random() < 0.5 else None,
            unenhanced=contrast.unenhanced_blood(rng),
            roughness=rng.uniform(0.1, 0.6),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Draw the tubes into the image and its enhancement."""
        noise = smooth_noise(scene.shape, 6, generator(self.seed, scene.device))
        wall = (scene.depth - 1).clamp_min(0)
        straight, transverse, sagittal = self.radii
        inside = torch.maximum(
            straight - torch.hypot(scene.falx, scene.tentorium),
            transverse - torch.hypot(scene.tentorium, wall),
        )
        inside = torch.maximum(inside, sagittal - torch.hypot(scene.falx, wall))
        if self.inferior is not None:
            edge = torch.hypot(scene.falx, 2 * (scene.outside_tissue - self.inferior))
            inside = torch.maximum(inside, torch.where(scene.depth > 12, 1.2 - edge, -1.0))
        where = scene.intracranial & (scene.outside_tissue > -0.3)
        tube = soft_step(inside + self.roughness * noise, 0.3) * where
        share, amount = self.blood.spread(tube)
        scene.paint(share, self.unenhanced)
        scene.enhance(share, amount)
