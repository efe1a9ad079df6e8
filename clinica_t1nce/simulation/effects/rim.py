"""What a loose brain mask leaves around the brain."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Rim:
    """Patches of fat and marrow just outside the cavity, as bright with gadolinium as without.

    Labels have compact bone there, which is thin or missing in places; masks often keep some of
    what lies behind it.

    Attributes
    ----------
    start
        Depth in mm at which the layer begins, negative outside the cavity.
    thickness
        In mm.
    """

    brightness: Patchy
    start: float
    thickness: float
    roughness: float
    spacing: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Rim | None":
        """Draw; in two heads of five, 0.4 to 2 times white matter."""
        if rng.random() < 0.6:
            return None
        return cls(
            brightness=Patchy.sample(rng, 0.4, 2.0, patchy=0.8),
            start=rng.uniform(-2.0, 1.0),
            thickness=rng.uniform(1, 5),
            roughness=rng.uniform(0, 0.8),
            spacing=rng.uniform(3, 12),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Paint the layer."""
        noise = smooth_noise(scene.shape, self.spacing, generator(self.seed, scene.device))
        start = self.start + self.roughness * noise
        behind = start - scene.depth
        layer = soft_step(torch.minimum(behind, self.thickness - behind), 0.3) * (
            (scene.outside_tissue > 0.5) & ~scene.is_tissue(Tissue.VENOUS_SINUS)
        )
        share, brightness = self.brightness.spread(layer)
        scene.paint(share, brightness)
