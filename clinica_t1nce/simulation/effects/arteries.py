"""Arteries at the base of the skull."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Arteries:
    """Blood in the labelled arteries; weaker than in veins, where inflow was bright before."""

    blood: Patchy

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Arteries | None":
        """Draw; absent in one head of ten."""
        return cls(Patchy.sample(rng, 0.2, 1.5, patchy=0.2)) if rng.random() < 0.9 else None

    def __call__(self, scene: Scene) -> None:
        """Add the blood's enhancement."""
        share, amount = self.blood.spread(scene.is_tissue(Tissue.ARTERY).float())
        scene.enhance(share, amount)
