"""The fornix, which label maps do not know."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.fields import generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Fornix:
    """A pair of bundles of white matter below the corpus callosum, where deep veins run as well.

    Bright, thin and near the midline, it looks like an internal cerebral vein and does not
    enhance.

    Attributes
    ----------
    off_wall, off_midline, radius
        In mm, as of :class:`~clinica_t1nce.simulation.effects.deep_veins.DeepVeins`.
    """

    brightness: float
    off_wall: float
    off_midline: float
    radius: float
    winding: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Fornix | None":
        """Draw; in two heads of three, as bright as white matter and a little brighter."""
        if rng.random() < 0.33:
            return None
        return cls(
            brightness=rng.uniform(0.85, 1.25),
            off_wall=rng.uniform(-1, 4),
            off_midline=rng.uniform(0, 3),
            radius=rng.uniform(0.8, 2.5),
            winding=rng.uniform(6, 14),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Paint the pair."""
        noise = smooth_noise(scene.shape, self.winding, generator(self.seed, scene.device))
        sideways = scene.falx - self.off_midline
        pair = torch.hypot(scene.ventricle - self.off_wall - 0.7 * noise, sideways)
        where = scene.intracranial * scene.near(Tissue.THALAMUS, Tissue.THIRD_VENTRICLE)
        scene.paint(soft_step(self.radius - pair, 0.3) * where, self.brightness)
