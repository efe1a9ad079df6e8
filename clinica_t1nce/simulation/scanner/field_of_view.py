"""Where the scanner's field of view ends."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.geometry import Placement
from clinica_t1nce.simulation.scanner.plane import Plane
from clinica_t1nce.simulation.scene import Scene

_SHARE = 0.2


@dataclass(frozen=True)
class FieldOfView(Plane):
    """All beyond a plane is 0: a slab that was turned into another space ends in the head."""

    @classmethod
    def sample(
        cls, rng: np.random.Generator, placement: Placement, anatomy: Anatomy
    ) -> "FieldOfView | None":
        """Draw; in one image of five it ends at the vertex or in the neck, tilted up to 15 degrees.

        A fifth of the anatomy's height is margin, above the brain as below.
        """
        if rng.random() >= _SHARE:
            return None
        tilt = np.tan(np.deg2rad(rng.uniform(-15, 15, 2)))
        sides = np.array(anatomy.tissue.shape)
        above = rng.random() < 0.5
        level = sides[2] * (1 - rng.uniform(0.09, 0.27) if above else rng.uniform(0.05, 0.3))
        outwards = np.array([*tilt, 1.0 if above else -1.0])
        outwards /= np.linalg.norm(outwards)
        through = np.array([sides[0] / 2, sides[1] / 2, level])
        return cls(*cls.seen(placement, outwards, through))

    def mask(self, scene: Scene) -> torch.Tensor:
        """Return the mask of what is kept."""
        return self.within(scene)
