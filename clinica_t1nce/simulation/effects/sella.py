"""Pituitary, its stalk, and the cavernous sinuses beside it."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue

_LEAST_VOXELS = 60


@dataclass(frozen=True)
class Sella:
    """Placed from the optic chiasm, below which the pituitary hangs by its stalk.

    Without a blood-brain barrier gland and stalk take up gadolinium as the choroid plexus does.

    Attributes
    ----------
    below
        Of the gland's middle under the chiasm in mm (adults: about 10).
    gland, sinus
        Half axes in mm, left-right, front-back, up-down.
    aside
        Of the cavernous sinuses' middles from the midline, in mm.
    """

    gland_uptake: Patchy
    sinus_blood: Patchy
    below: float
    gland: tuple[float, float, float]
    sinus: tuple[float, float, float]
    aside: float
    stalk_radius: float
    intensity: float
    unenhanced: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Sella | None":
        """Draw; absent in one head of ten."""
        if rng.random() < 0.1:
            return None
        return cls(
            gland_uptake=Patchy.sample(rng, 0.2, 1.2, patchy=0),
            sinus_blood=Patchy.sample(rng, 0.2, 1.4, patchy=0.3),
            below=rng.uniform(7, 12),
            gland=(rng.uniform(4, 7), rng.uniform(3, 6), rng.uniform(2, 5)),
            sinus=(rng.uniform(2, 5), rng.uniform(6, 11), rng.uniform(4, 7)),
            aside=rng.uniform(9, 14),
            stalk_radius=rng.uniform(0.6, 1.6),
            intensity=rng.uniform(0.6, 1.1),
            unenhanced=contrast.unenhanced_blood(rng),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Paint gland, stalk and sinuses below the chiasm, if the patch holds it."""
        nerves = torch.nonzero(scene.is_tissue(Tissue.OPTIC_CHIASM))
        if len(nerves) < _LEAST_VOXELS:
            return
        # The nerves run forward from the chiasm.
        chiasm = nerves[nerves[:, 1] < nerves[:, 1].min() + 8].float().mean(0).tolist()
        if float(scene.falx[tuple(round(c) for c in chiasm)]) > 6:
            return  # One nerve alone, the chiasm is outside of the patch.
        reach = (int(self.aside + self.sinus[0]) + 3, int(self.sinus[1]) + 3, int(self.below) + 9)
        low = [int(c) - r for c, r in zip(chiasm, reach, strict=True)]
        high = [int(c) + r for c, r in zip(chiasm, (*reach[:2], 1), strict=True)]
        with scene.window(low, high) as part:
            axes = [
                torch.arange(n, device=scene.device) + max(a, 0) - c
                for n, a, c in zip(part.shape, low, chiasm, strict=True)
            ]
            x, y, z = torch.meshgrid(*axes, indexing="ij")
            bumps = 0.15 * smooth_noise(part.shape, 4, generator(self.seed, scene.device))
            solid = part.outside_tissue > 0.3
            sinuses = _ellipsoid(x.abs() - self.aside, y, z + self.below, self.sinus, bumps)
            share, amount = self.sinus_blood.spread(sinuses * solid)
            part.paint(share, self.unenhanced)
            part.enhance(share, amount)
            gland = _ellipsoid(x, y, z + self.below, self.gland, bumps)
            stalk = soft_step(self.stalk_radius - torch.hypot(x, y), 0.3) * (
                (z < 0) & (z > -self.below)
            )
            share, amount = self.gland_uptake.spread(torch.maximum(gland, stalk) * solid)
            part.paint(share, self.intensity)
            part.enhance(share, amount)


def _ellipsoid(
    x: torch.Tensor,
    y: torch.Tensor,
    z: torch.Tensor,
    half: tuple[float, float, float],
    bumps: torch.Tensor,
) -> torch.Tensor:
    radius = torch.sqrt((x / half[0]) ** 2 + (y / half[1]) ** 2 + (z / half[2]) ** 2)
    return soft_step((1 + bumps - radius) * min(half), 0.4)
