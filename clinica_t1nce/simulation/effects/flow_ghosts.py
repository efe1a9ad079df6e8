"""Ghosts of pulsating blood."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.fields import generator, patches, smooth_noise
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class FlowGhosts:
    """Speckle in line with large vessels along the phase-encoding axis, in both images.

    Typical behind the sigmoid and occipital sinuses, across the cerebellum. Where the patch holds
    no sinus, ghosts of one beside it fall in as a band.

    Attributes
    ----------
    axis
        Phase-encoding axis of the patch.
    strength
        Standard deviation of the speckle in line with the thickest vessel, white matter = 1.
    """

    axis: int
    strength: float
    grain: float
    band_spacing: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "FlowGhosts | None":
        """Draw; one head in six, 0.03 to 0.3 of white matter."""
        if rng.random() < 5 / 6:
            return None
        return cls(
            axis=int(rng.integers(3)),
            strength=rng.uniform(0.03, 0.3),
            grain=rng.uniform(1.2, 3),
            band_spacing=rng.uniform(4, 12),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Add the speckle where there is something to see it on."""
        random = generator(self.seed, scene.device)
        blood = scene.is_tissue(Tissue.VENOUS_SINUS, Tissue.ARTERY).float()
        line = blood.mean(self.axis, keepdim=True)
        slab = [1 if axis == self.axis else n for axis, n in enumerate(scene.shape)]
        band = patches(slab, self.band_spacing, -1.0, 5, random)
        line = torch.maximum(line / line.amax().clamp_min(0.05), 0.5 * band)
        speckle = smooth_noise(scene.shape, self.grain, random)
        scene.image = (scene.image + self.strength * line * speckle).clamp_min(0)
