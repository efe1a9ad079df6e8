"""The dura along the skull."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene


@dataclass(frozen=True)
class Dura:
    """A sheet 0.3 to 1.8 mm thick on the wall of the intracranial cavity."""

    uptake: Patchy
    thickness: float
    roughness: float
    roughness_spacing: float
    offset: float
    unenhanced: float | None
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Dura | None":
        """Draw; absent in one head of four."""
        if rng.random() < 0.25:
            return None
        return cls(
            uptake=Patchy.sample(rng, 0.05, 1.0, patchy=0.8),
            thickness=rng.uniform(0.3, 1.8),
            roughness=rng.uniform(0.2, 0.5),
            roughness_spacing=rng.uniform(5, 18),
            offset=rng.uniform(-0.5, 1.0),
            unenhanced=contrast.unenhanced_blood(rng) if rng.random() < 0.6 else None,
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Add the sheet's enhancement, and its own intensity before gadolinium."""
        random = generator(self.seed, scene.device)
        rough = self.roughness * smooth_noise(scene.shape, self.roughness_spacing, random)
        from_wall = (scene.depth - self.offset).abs()
        sheet = soft_step(self.thickness + rough - from_wall, 0.3) * (scene.outside_tissue > -1.2)
        share, amount = self.uptake.spread(sheet)
        if self.unenhanced is not None:
            scene.paint(share, self.unenhanced)
        scene.enhance(share, amount)
