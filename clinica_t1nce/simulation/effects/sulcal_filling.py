"""Sulci that look like cortex."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene


@dataclass(frozen=True)
class SulcalFilling:
    """Fluid of narrow sulci, lifted in patches to the level of cortex and near it.

    Deep in a sulcus the vessels of the pia fill much of each voxel. With gadolinium the voxel
    reaches gray matter's intensity, and a segmentation takes it for gray matter: on real pairs
    fluid of 0.41 of white matter came out as 0.74, and half of what trained networks missed lay
    here.

    Attributes
    ----------
    target
        Level that is reached, as a share of the way from fluid to cortex.
    reach
        Distance in mm from the cortex up to which fluid is lifted: sulci narrower than twice
        that are filled.
    depth
        Depth in the cavity in mm at which filling begins, and over how many mm.
    """

    filling: Patchy
    cortex: float
    reach: float
    depth: tuple[float, float]
    grain: float
    unevenness: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "SulcalFilling | None":
        """Draw; in two heads of five, from half way to cortex to a little beyond it."""
        if rng.random() < 0.6:
            return None
        return cls(
            filling=Patchy.sample(rng, 0.4, 1.15, patchy=0.7),
            cortex=contrast.gray,
            reach=rng.uniform(0.8, 4),
            depth=(rng.uniform(-1, 8), rng.uniform(0.5, 3)),
            grain=rng.uniform(1.5, 5),
            unevenness=rng.uniform(0, 0.4),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Lift the fluid towards cortex."""
        near = soft_step(self.reach - scene.outside_tissue, 0.4) * scene.fluid
        begin, width = self.depth
        deep = soft_step(scene.depth - begin, width)
        noise = smooth_noise(scene.shape, self.grain, generator(self.seed, scene.device))
        uneven = (1 + self.unevenness * noise).clamp_min(0)
        share, level = self.filling.spread(near * deep)
        scene.enhance(share, (self.cortex - scene.image).clamp_min(0) * level * uneven)
