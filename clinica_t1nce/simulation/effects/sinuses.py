"""Dural venous sinuses, the most striking sign of gadolinium."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Sinuses:
    """Blood in the labelled sinuses: at usual doses 0.3 to 2 times white matter on top."""

    blood: Patchy

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Sinuses | None":
        """Draw; one head in twenty shows none (late or failed injection)."""
        return cls(Patchy.sample(rng, 0.3, 2.0, patchy=0.3)) if rng.random() < 0.95 else None

    def __call__(self, scene: Scene) -> None:
        """Add the blood's enhancement."""
        share, amount = self.blood.spread(scene.is_tissue(Tissue.VENOUS_SINUS).float())
        scene.enhance(share, amount)
