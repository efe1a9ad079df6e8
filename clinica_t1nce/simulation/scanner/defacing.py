"""A face that was cut off before the image was shared."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.geometry import Placement
from clinica_t1nce.simulation.scanner.plane import Plane
from clinica_t1nce.simulation.scene import Scene


@dataclass(frozen=True)
class Defacing(Plane):
    """All in front of and below a plane is 0, as after Quickshear (Schimke et al., 2011).

    Attributes
    ----------
    distance
        From the intracranial cavity in mm that is spared.
    """

    distance: float

    @classmethod
    def sample(cls, rng: np.random.Generator, placement: Placement, anatomy: Anatomy) -> "Defacing":
        """Draw a plane below the forehead, 20 to 60 degrees steep."""
        angle = np.deg2rad(rng.uniform(20, 60))
        forwards = np.array([0, np.sin(angle), -np.cos(angle)])
        sides = np.array(anatomy.tissue.shape)
        through = sides * [0.5, rng.uniform(0.75, 0.9), rng.uniform(0.25, 0.4)]
        return cls(*cls.seen(placement, forwards, through), distance=rng.uniform(3, 8))

    def mask(self, scene: Scene) -> torch.Tensor:
        """Return the mask of what is kept."""
        return self.within(scene) | (scene.depth > -self.distance)
