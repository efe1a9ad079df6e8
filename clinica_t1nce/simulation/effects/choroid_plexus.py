"""Choroid plexus: no blood-brain barrier, so that it always takes up gadolinium."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import generator, patches
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class ChoroidPlexus:
    """Clumps in the ventricles: the labels are wider than the plexus, clumps make them real."""

    uptake: Patchy
    clump_spacing: float
    clump_level: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "ChoroidPlexus | None":
        """Draw; absent in one head of ten."""
        if rng.random() < 0.1:
            return None
        return cls(
            uptake=Patchy.sample(rng, 0.2, 1.3, patchy=0.2),
            clump_spacing=rng.uniform(1.5, 4),
            clump_level=rng.uniform(-0.3, 1.0),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Add the clumps' enhancement."""
        random = generator(self.seed, scene.device)
        clumps = patches(scene.shape, self.clump_spacing, self.clump_level, 3, random)
        share, amount = self.uptake.spread(scene.is_tissue(Tissue.CHOROID_PLEXUS) * clumps)
        scene.enhance(share, amount)
