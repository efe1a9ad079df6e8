"""The corpus callosum, brighter than other white matter."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.fields import soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Callosum:
    """White matter between the ventricles near the midline: densest in myelin, not enhancing.

    Label maps call it white matter. Bright between two dark ventricles it looks like a vein or a
    tumour: without such a counter-example a network dims it.

    Attributes
    ----------
    lift
        Relative change.
    width, height
        Distance in mm from the midline and from the ventricles up to which it reaches.
    """

    lift: float
    width: float
    height: float

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Callosum | None":
        """Draw; in two heads of three, by up to 25 %."""
        if rng.random() < 0.33:
            return None
        return cls(rng.uniform(0, 0.25), rng.uniform(4, 14), rng.uniform(4, 10))

    def __call__(self, scene: Scene) -> None:
        """Brighten it, fading out over some mm."""
        share = (
            scene.is_tissue(Tissue.WHITE_MATTER)
            * soft_step(self.width - scene.falx, 3)
            * soft_step(self.height - scene.ventricle, 2)
        )
        scene.image = scene.image * (1 + self.lift * share)
