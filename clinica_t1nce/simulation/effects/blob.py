"""Shared by lesions: a bumpy ellipsoid, worked on in a box around it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch

from clinica_t1nce.simulation.fields import generator, smooth_noise
from clinica_t1nce.simulation.scene import Scene


@dataclass(frozen=True)
class Blob:
    """Where a lesion lies.

    Attributes
    ----------
    centre
        As a share (0..1) of each axis.
    stretch
        Factor on the distances along each axis.
    radius
        In mm.
    bumps
        Standard deviation of the rim's position, as a share of the radius.
    """

    centre: tuple[float, float, float]
    stretch: tuple[float, float, float]
    radius: float
    bumps: float
    seed: int

    @classmethod
    def sample(
        cls,
        rng: np.random.Generator,
        low: float,
        high: float,
        bumps: float = 0.25,
        stretch: float = 0.4,
    ) -> "Blob":
        """Draw a radius between `low` and `high`, each axis up to ``1 + stretch`` times shorter."""
        return cls(
            centre=tuple(rng.uniform(0.12, 0.88, 3).tolist()),
            stretch=tuple(rng.uniform(1 / (1 + stretch), 1 + stretch, 3).tolist()),
            radius=rng.uniform(low, high),
            bumps=bumps,
            seed=int(rng.integers(2**31)),
        )

    @contextmanager
    def around(self, scene: Scene, margin: float) -> Iterator[tuple[Scene, torch.Tensor]]:
        """Give the box that holds the blob and `margin` mm around it, and distances in it.

        Yields
        ------
        part
            The box of the scene, which is changed with it.
        from_rim
            Distance outside the blob's rim in mm, negative inside.
        """
        middle = [c * n for c, n in zip(self.centre, scene.shape, strict=True)]
        reach = [ceil(self.radius * (1 + 2 * self.bumps) / s + margin) + 2 for s in self.stretch]
        low = [int(m) - r for m, r in zip(middle, reach, strict=True)]
        high = [int(m) + r + 1 for m, r in zip(middle, reach, strict=True)]
        with scene.window(low, high) as part:
            axes = [
                (torch.arange(n, device=scene.device) + max(a, 0) - m) * s
                for n, a, m, s in zip(part.shape, low, middle, self.stretch, strict=True)
            ]
            x, y, z = torch.meshgrid(*axes, indexing="ij")
            random = generator(self.seed, scene.device)
            noise = smooth_noise(part.shape, max(2.0, self.radius * 0.5), random)
            from_rim = torch.sqrt(x**2 + y**2 + z**2) + self.bumps * self.radius * noise
            yield part, from_rim - self.radius
