"""All that one scan does to an image."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from clinica_t1nce.simulation.scanner.bias_field import BiasField
from clinica_t1nce.simulation.scanner.ghosts import Ghosts
from clinica_t1nce.simulation.scanner.motion import Motion
from clinica_t1nce.simulation.scanner.noise import Noise
from clinica_t1nce.simulation.scanner.point_spread import PointSpread
from clinica_t1nce.simulation.scanner.quality import Quality
from clinica_t1nce.simulation.scanner.thick_slices import ThickSlices
from clinica_t1nce.simulation.scanner.wrap import Wrap

STEPS = (BiasField, PointSpread, Motion, Ghosts, Wrap, Noise, ThickSlices)
"""In the order in which they happen: noise is the receiver's, slices are interpolated at last."""


@dataclass(frozen=True)
class Acquisition:
    """The steps of one scan, and its gain."""

    steps: tuple
    scale: float

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "Acquisition":
        """Draw; white matter comes out at 0.8 to 1.25, as the input's scaling leaves it."""
        drawn = [step.sample(rng, quality) for step in STEPS]
        return cls(tuple(step for step in drawn if step is not None), rng.uniform(0.8, 1.25))

    def __call__(self, image: torch.Tensor, enhancement: torch.Tensor) -> torch.Tensor:
        """Return image and enhancement as stored, 2 x D x H x W; the enhancement is 0 or more."""
        pair = torch.stack([image, enhancement])
        for step in self.steps:
            pair = step(pair)
        # Ringing of moved parts would take away, which gadolinium does not.
        pair[1].clamp_min_(0)
        return pair * self.scale

    def numbers(self) -> dict[str, Any]:
        """Return all as plain numbers."""
        steps = [{"step": type(step).__name__, **asdict(step)} for step in self.steps]
        return {"steps": steps, "scale": self.scale}
