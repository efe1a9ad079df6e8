"""Cortical veins and arteries, which run on the brain's surface and in its sulci."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import distance_to_zero, generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class SurfaceVessel:
    """A net of winding tubes: where smooth noise is zero, on a shell around the cortex.

    The zero set of noise is a surface; cut by the shell it becomes curves that branch and close
    as pial vessels do.
    """

    blood: Patchy
    winding: float
    height: float
    waviness: float
    waviness_spacing: float
    radius: float
    unenhanced: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "SurfaceVessel":
        """Draw a net; two in five are faint (arterioles, late phase)."""
        faint = rng.random() < 0.4
        return cls(
            blood=Patchy.sample(rng, *((0.1, 0.7) if faint else (0.2, 1.8)), patchy=0.9),
            winding=rng.uniform(4, 16),
            height=rng.uniform(0, 2.2),
            waviness=rng.uniform(0, 0.8),
            waviness_spacing=rng.uniform(3.5, 11),
            radius=rng.uniform(0.4, 1.3),
            unenhanced=contrast.unenhanced_blood(rng),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Draw the net into the image and its enhancement."""
        random = generator(self.seed, scene.device)
        across = distance_to_zero(smooth_noise(scene.shape, self.winding, random))
        wave = self.waviness * smooth_noise(scene.shape, self.waviness_spacing, random)
        above = scene.outside_tissue - self.height - wave
        distance = torch.hypot(across, above)
        where = scene.intracranial & scene.outside_brain & ~scene.is_tissue(Tissue.WHITE_MATTER)
        share, amount = self.blood.spread(soft_step(self.radius - distance, 0.25) * where)
        scene.paint(share, self.unenhanced)
        scene.enhance(share, amount)
