"""The hole that a resection leaves."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.blob import Blob
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import generator, patches, soft_step
from clinica_t1nce.simulation.scene import Scene


@dataclass(frozen=True)
class Cavity:
    """Fluid, scarred tissue around it, and a rim that enhances thinly, thickly or not at all.

    Attributes
    ----------
    fluid
        Intensity of the contents: as CSF, or brighter with protein.
    rim
        Thickness in mm of the lining.
    blood
        Intensity of blood in the lining, bright in both images, or None.
    scar
        Width in mm and strength of the darker tissue around.
    """

    uptake: Patchy
    blob: Blob
    fluid: float
    rim: float
    blood: float | None
    scar: tuple[float, float]
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Cavity":
        """Draw; radius 4 to 20 mm, rim 0.5 to 3 mm, enhancement 0 to 1.2."""
        return cls(
            uptake=Patchy.sample(rng, 0.0, 1.2, patchy=0.7),
            blob=Blob.sample(rng, 4, 20, bumps=rng.uniform(0.1, 0.3)),
            fluid=rng.uniform(contrast.csf * 0.8, max(contrast.gray - 0.1, contrast.csf)),
            rim=rng.uniform(0.5, 3),
            blood=rng.uniform(0.9, 1.5) if rng.random() < 0.4 else None,
            scar=(rng.uniform(1, 8), rng.uniform(0, 0.35)),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Paint the cavity and its rim's enhancement."""
        width, strength = self.scar
        with self.blob.around(scene, width + 4) as (part, from_rim):
            random = generator(self.seed, scene.device)
            scar = soft_step(width - from_rim, 1.5) * (part.outside_tissue < -0.5)
            part.paint(scar * strength, part.image * 0.6)
            hole = soft_step(-from_rim, 0.5) * part.intracranial
            part.paint(hole, self.fluid)
            rim = soft_step(self.rim / 2 - (from_rim - self.rim / 2).abs(), 0.3)
            rim = rim * part.intracranial
            if self.blood is not None:
                part.paint(rim * patches(part.shape, 5, -0.3, 4, random), self.blood)
            part.enhance(*self.uptake.spread(rim))
