"""The edge of a brain mask."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.fields import generator, smooth_noise
from clinica_t1nce.simulation.scene import Scene

_FARTHEST = 10
"""Distance from the brain in mm beyond which no mask keeps anything."""
_FILLED = 14
"""Depth in the cavity in mm below which no mask has holes."""


@dataclass(frozen=True)
class Stripping:
    """A mask that ends at the skull, at the cortex, or a wavy mix; None keeps the head.

    Attributes
    ----------
    depth
        Keep what lies deeper than this inside the cavity (mm), or None.
    margin
        Keep what lies closer than this to the brain (mm), or None.
    """

    depth: float | None
    margin: float | None
    waviness: float
    waviness_spacing: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Stripping | None":
        """Draw; every other image is stripped."""
        return None if rng.random() < 0.5 else cls.draw(rng)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Stripping":
        """Draw a mask of some tightness."""
        kind = rng.random()
        return cls(
            depth=rng.uniform(-2, 3) if kind < 0.5 or kind > 0.85 else None,
            margin=rng.uniform(0.3, 4) if kind >= 0.5 else None,
            waviness=rng.uniform(0, 1.2),
            waviness_spacing=rng.uniform(4, 15),
            seed=int(rng.integers(2**31)),
        )

    def mask(self, scene: Scene) -> torch.Tensor:
        """Return the mask of what is kept."""
        random = generator(self.seed, scene.device)
        wave = self.waviness * smooth_noise(scene.shape, self.waviness_spacing, random)
        # The cavity goes on into the jugular veins, masks do not.
        keep = scene.outside_tissue < _FARTHEST
        if self.depth is not None:
            keep &= scene.depth > self.depth + wave
        if self.margin is not None:
            # Cisterns deep in the brain are filled, as masks are.
            keep &= (scene.outside_tissue < self.margin + wave) | (scene.depth > _FILLED)
        return keep
