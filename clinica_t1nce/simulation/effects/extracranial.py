"""Muscle, mucosa, skin, marrow and orbit."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.fields import generator, smooth_noise
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue

_HIGHEST = {
    Tissue.EYE: 0.2,
    Tissue.SOFT_TISSUE: 0.4,
    Tissue.EYE_OTHER: 0.5,
    # Turbinates are full of wide veins.
    Tissue.NASAL_CAVITY: 1.0,
    Tissue.SKIN: 0.3,
    Tissue.COMPACT_BONE: 0.15,
    Tissue.BONE_MARROW: 0.3,
    Tissue.OPTIC_CHIASM: 0.3,
}

_LEAN, _FAT = 0.8, 1.5
"""Intensities before gadolinium: up to the first a tissue holds no fat, from the second all is."""


@dataclass(frozen=True)
class Extracranial:
    """What enhances outside the brain, each tissue by its own amount and unevenly."""

    amounts: tuple[tuple[Tissue, float], ...]
    unevenness: float
    spacing: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Extracranial":
        """Draw; each tissue enhances in one head of four, mucosa in half."""
        amounts = tuple(
            (tissue, rng.uniform(0, highest))
            for tissue, highest in _HIGHEST.items()
            if rng.random() < (0.5 if tissue == Tissue.NASAL_CAVITY else 0.25)
        )
        return cls(amounts, rng.uniform(0.2, 0.8), rng.uniform(2, 11), int(rng.integers(2**31)))

    def __call__(self, scene: Scene) -> None:
        """Add each tissue's enhancement."""
        noise = smooth_noise(scene.shape, self.spacing, generator(self.seed, scene.device))
        waver = (1 + self.unevenness * noise).clamp_min(0)
        # Fat is bright before and takes up nothing.
        lean = ((_FAT - scene.image) / (_FAT - _LEAN)).clamp(0, 1)
        for tissue, amount in self.amounts:
            scene.enhance(scene.is_tissue(tissue) * lean, amount * waver)
