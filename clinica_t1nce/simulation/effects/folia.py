"""The leaves of the cerebellum and its tree of white matter, finer than labels show."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import distance_to_zero, generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Folia:
    """Thin sheets in the cerebellar cortex, bright ones of white and dark ones of fluid.

    The label maps paint the cerebellar cortex as one body; images at 1 mm show white matter of
    one or two voxels in it, above all in the vermis, and fluid between the leaves.

    Attributes
    ----------
    winding
        Spacing of the noise in voxels whose zero set the white sheets are.
    half_width
        Of the white sheets in voxels.
    gap
        How far from the white sheets fluid begins, in voxels.
    """

    white: Patchy
    winding: float
    half_width: float
    gap: float
    fluid: float
    depth: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Folia | None":
        """Draw; in two heads of three."""
        if rng.random() < 0.33:
            return None
        return cls(
            white=Patchy.sample(rng, 0.85, 1.3, patchy=0.5),
            winding=rng.uniform(2, 5),
            half_width=rng.uniform(0.3, 1.0),
            gap=rng.uniform(1.5, 3.0),
            fluid=contrast.csf,
            depth=rng.uniform(0, 0.9),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Draw the sheets into the image."""
        cortex = scene.is_tissue(Tissue.CEREBELLAR_CORTEX).float()
        noise = smooth_noise(scene.shape, self.winding, generator(self.seed, scene.device))
        away = distance_to_zero(noise).abs()
        scene.paint(soft_step(away - self.gap, 0.3) * cortex * self.depth, self.fluid)
        share, brightness = self.white.spread(soft_step(self.half_width - away, 0.25) * cortex)
        scene.paint(share, brightness)
