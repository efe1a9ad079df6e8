"""Brains that fill more of their cavity than those that the label maps come from."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.fields import generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Fullness:
    """Narrow sulci, ventricles and septum of young people: fluid becomes the tissue beside it.

    Label maps are often of the old, with wide sulci and ventricles. In the young, the banks of a
    sulcus touch but for a film of fluid and vessels, and white matter at the midline (callosum,
    fornix, septum) is thick. Between the hemispheres and above the cerebellum fluid stays, as
    images of all ages show it.

    Attributes
    ----------
    sulci, ventricles
        Thickness in mm of what is added to the cortex, and to the ventricles' walls.
    density
        Share of the narrowed sulci that tissue takes; the rest is the film of fluid.
    waver
        Standard deviation of both thicknesses, relative, and its spacing in voxels.
    """

    sulci: float
    ventricles: float
    density: float
    waver: tuple[float, float]
    cortex: float
    wall: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Fullness | None":
        """Draw; in half of the heads, cortex by up to 1.5 mm, ventricles' walls by up to 5."""
        if rng.random() < 0.5:
            return None
        return cls(
            sulci=rng.uniform(0, 1.5),
            ventricles=rng.uniform(0, 5),
            density=rng.uniform(0.4, 1),
            waver=(rng.uniform(0, 0.3), rng.uniform(6, 20)),
            cortex=contrast.means[Tissue.CORTEX],
            wall=contrast.means[Tissue.WHITE_MATTER],
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Paint tissue over the fluid that is next to it."""
        size, spacing = self.waver
        noise = smooth_noise(scene.shape, spacing, generator(self.seed, scene.device))
        factor = (1 + size * noise).clamp_min(0)
        folds = torch.minimum(scene.falx, scene.tentorium)
        outside = scene.is_tissue(Tissue.CSF) * soft_step(folds - 1.5, 0.3) * (scene.depth > 0)
        added = soft_step(self.sulci * factor - scene.outside_tissue, 0.25) * outside
        scene.paint(self.density * added, self.cortex)
        inside = scene.is_tissue(Tissue.LATERAL_VENTRICLE)
        added = soft_step(self.ventricles * factor + scene.ventricle, 0.25) * inside
        scene.paint(added, self.wall)
