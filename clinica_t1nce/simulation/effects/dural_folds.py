"""Falx and tentorium."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import soft_step
from clinica_t1nce.simulation.scene import Scene


@dataclass(frozen=True)
class DuralFolds:
    """The sheets of dura between the hemispheres and above the cerebellum."""

    uptake: Patchy
    half_thickness: float
    unenhanced: float | None

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "DuralFolds | None":
        """Draw; absent in one head of six."""
        if rng.random() < 0.17:
            return None
        return cls(
            uptake=Patchy.sample(rng, 0.05, 1.0, patchy=0.5),
            half_thickness=rng.uniform(0.3, 1.5),
            unenhanced=contrast.unenhanced_blood(rng) if rng.random() < 0.6 else None,
        )

    def __call__(self, scene: Scene) -> None:
        """Add the sheets' enhancement, and their own intensity before gadolinium."""
        fold = torch.minimum(scene.falx, scene.tentorium)
        sheet = soft_step(self.half_thickness - fold, 0.4) * (scene.fluid & scene.outside_brain)
        share, amount = self.uptake.spread(sheet)
        if self.unenhanced is not None:
            scene.paint(share, self.unenhanced)
        scene.enhance(share, amount)
