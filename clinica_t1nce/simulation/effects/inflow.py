"""Arteries that are bright without gadolinium."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import distance_to_zero, generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene


@dataclass(frozen=True)
class Inflow:
    """Thin tubes of fresh, unsaturated blood in cisterns and sulci, the same in both images.

    Slabs of gradient echo show them so at the base of the brain and in the Sylvian fissure; what
    gadolinium adds to blood that is bright already is little.
    """

    brightness: Patchy
    enhancement: float
    windings: tuple[float, float]
    radius: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Inflow | None":
        """Draw; one head in eight shows it, 0.8 to 1.9 before gadolinium, up to 0.4 added."""
        if rng.random() < 0.88:
            return None
        return cls(
            brightness=Patchy.sample(rng, 0.8, 1.9, patchy=0.5),
            enhancement=rng.uniform(0, 0.4) if rng.random() < 0.5 else 0.0,
            windings=(rng.uniform(8, 22), rng.uniform(8, 22)),
            radius=rng.uniform(0.4, 1.3),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Draw the tubes into the image, and what little they enhance."""
        random = generator(self.seed, scene.device)
        first, second = (
            distance_to_zero(smooth_noise(scene.shape, winding, random))
            for winding in self.windings
        )
        where = scene.intracranial & scene.outside_brain
        tube = soft_step(self.radius - torch.hypot(first, second), 0.25) * where
        share, brightness = self.brightness.spread(tube)
        scene.paint(share, brightness)
        if self.enhancement:
            scene.enhance(share, self.enhancement)
