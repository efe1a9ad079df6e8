"""Muscle, mucosa, skin, marrow and orbit."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.fields import generator, smooth_noise
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue

_TISSUES = (
    Tissue.EYE,
    Tissue.SOFT_TISSUE,
    Tissue.EYE_OTHER,
    Tissue.NASAL_CAVITY,
    Tissue.SKIN,
    Tissue.COMPACT_BONE,
    Tissue.BONE_MARROW,
    Tissue.OPTIC_CHIASM,
)


@dataclass(frozen=True)
class Extracranial:
    """What enhances outside the brain, each tissue by its own amount up to 0.6."""

    amounts: tuple[tuple[Tissue, float], ...]
    spacing: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Extracranial":
        """Draw; each tissue enhances in one head of three."""
        amounts = tuple((t, rng.uniform(0, 0.6)) for t in _TISSUES if rng.random() < 0.35)
        return cls(amounts, rng.uniform(4, 11), int(rng.integers(2**31)))

    def __call__(self, scene: Scene) -> None:
        """Add each tissue's enhancement."""
        noise = smooth_noise(scene.shape, self.spacing, generator(self.seed, scene.device))
        waver = (1 + 0.3 * noise).clamp_min(0)
        for tissue, amount in self.amounts:
            scene.enhance(scene.is_tissue(tissue).float(), amount * waver)
