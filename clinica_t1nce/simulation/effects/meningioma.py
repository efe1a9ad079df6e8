"""Meningioma: a smooth, evenly enhancing mass that sits on the dura."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.blob import Blob
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene


@dataclass(frozen=True)
class Meningioma:
    """A dome on the nearest wall of the cavity, with a tail of thickened dura.

    Attributes
    ----------
    intensity
        Before gadolinium: about that of gray matter.
    tail
        Reach in mm of the thickened dura, and its thickness.
    """

    uptake: Patchy
    blob: Blob
    intensity: float
    tail: tuple[float, float]
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Meningioma":
        """Draw; radius 4 to 18 mm, enhancement 0.3 to 1.5."""
        return cls(
            uptake=Patchy.sample(rng, 0.3, 1.5, patchy=0),
            blob=Blob.sample(rng, 4, 18, bumps=rng.uniform(0.02, 0.12)),
            intensity=contrast.gray * rng.uniform(0.85, 1.15),
            tail=(rng.uniform(2, 15), rng.uniform(0.5, 2)),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Paint the mass where the wall is nearest to the blob's drawn centre."""
        centre = self._on_the_wall(scene)
        reach, thickness = self.tail
        with replace(self.blob, centre=centre).around(scene, reach) as (part, from_rim):
            random = generator(self.seed, scene.device)
            texture = 1 + 0.05 * smooth_noise(part.shape, 3, random)
            mass = soft_step(-from_rim, 0.4) * part.intracranial
            part.paint(mass, self.intensity * texture)
            dura = soft_step(thickness - (part.depth - 0.5).abs(), 0.3)
            tail = soft_step(reach * 0.6 - from_rim, 1.0) * dura * part.outside_brain
            part.enhance(*self.uptake.spread(torch.maximum(mass, tail)))

    def _on_the_wall(self, scene: Scene) -> tuple[float, float, float]:
        axes = [
            (torch.arange(n, device=scene.device) + 0.5) / n - c
            for n, c in zip(scene.shape, self.blob.centre, strict=True)
        ]
        x, y, z = torch.meshgrid(*axes, indexing="ij")
        # A third of the radius inside the wall, so that a dome is left.
        off_wall = (scene.depth - self.blob.radius / 3).abs()
        nearest = int(torch.argmin(x**2 + y**2 + z**2 + off_wall))
        index = np.unravel_index(nearest, scene.shape)
        first, second, third = (
            (float(i) + 0.5) / n for i, n in zip(index, scene.shape, strict=True)
        )
        return first, second, third
