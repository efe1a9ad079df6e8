"""The thin bright lining of the brain's surface."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.scene import Scene


@dataclass(frozen=True)
class Pia:
    """Vessels too fine to resolve, seen as a faint rim: 0.02 to 0.25 of white matter."""

    uptake: Patchy
    height: float
    variance: float

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Pia | None":
        """Draw; absent in three heads of five."""
        if rng.random() < 0.6:
            return None
        return cls(
            uptake=Patchy.sample(rng, 0.02, 0.25, patchy=0.9),
            height=rng.uniform(-0.3, 0.8),
            variance=rng.uniform(0.2, 0.7),
        )

    def __call__(self, scene: Scene) -> None:
        """Add the rim's enhancement."""
        rim = torch.exp(-(scene.outside_tissue - self.height).square() / self.variance)
        scene.enhance(*self.uptake.spread(rim * scene.intracranial))
