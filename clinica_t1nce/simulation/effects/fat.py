"""Fat of scalp, orbit and neck."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import generator, patches
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Fat:
    """In what the labels call skin, soft tissue and marrow: T1 is short without gadolinium.

    At 250 to 380 ms (1.5 T and 3 T; de Bazelaire et al., Radiology 2004) fat is the brightest
    thing in a T1nce. Fat suppression takes it away in others: then the effect is absent.

    Attributes
    ----------
    scalp
        Share of fat in the skin, which is a layer; elsewhere it lies in patches.
    orbit
        Share of fat around the eyes, where hardly anything else is.
    spacing, level
        Of the patches: spacing of the noise in voxels, threshold.
    """

    brightness: Patchy
    scalp: float
    orbit: float
    spacing: float
    level: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Fat | None":
        """Draw; in two heads of three, 1 to 3 times white matter."""
        if rng.random() < 0.33:
            return None
        return cls(
            brightness=Patchy.sample(rng, 1.0, 3.0, patchy=0),
            scalp=rng.uniform(0, 1),
            orbit=rng.uniform(0.5, 1),
            spacing=rng.uniform(4, 14),
            level=rng.uniform(-0.8, 1.2),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Paint the layer and the patches."""
        where = scene.is_tissue(Tissue.SOFT_TISSUE, Tissue.BONE_MARROW, Tissue.EYE_OTHER)
        random = generator(self.seed, scene.device)
        clumps = patches(scene.shape, self.spacing, self.level, 3, random)
        fat = where * clumps + scene.is_tissue(Tissue.SKIN) * self.scalp
        orbit = scene.is_tissue(Tissue.SOFT_TISSUE) * scene.near(Tissue.EYE, Tissue.EYE_OTHER)
        fat = torch.maximum(fat, self.orbit * orbit)
        share, brightness = self.brightness.spread(fat)
        scene.paint(share, brightness)
