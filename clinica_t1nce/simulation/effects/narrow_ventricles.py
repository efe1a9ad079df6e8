"""Ventricles narrower than those of the people whom the label maps come from."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.fields import generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class NarrowVentricles:
    """White matter over the outer part of the lateral ventricles.

    Label maps are often of the old, whose ventricles are wide. In the young, white matter at the
    midline (corpus callosum, fornix, septum) is thick, and near deep veins.

    Attributes
    ----------
    thickness
        In mm, of what is added to the walls.
    waver
        Standard deviation of the thickness, relative, and its spacing in voxels.
    """

    thickness: float
    waver: tuple[float, float]
    wall: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "NarrowVentricles | None":
        """Draw; in half of the heads, by up to 5 mm."""
        if rng.random() < 0.5:
            return None
        return cls(
            thickness=rng.uniform(0, 5),
            waver=(rng.uniform(0, 0.3), rng.uniform(6, 20)),
            wall=contrast.means[Tissue.WHITE_MATTER],
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Paint the walls."""
        size, spacing = self.waver
        noise = smooth_noise(scene.shape, spacing, generator(self.seed, scene.device))
        thickness = self.thickness * (1 + size * noise).clamp_min(0)
        inside = scene.is_tissue(Tissue.LATERAL_VENTRICLE)
        scene.paint(soft_step(thickness + scene.ventricle, 0.25) * inside, self.wall)
