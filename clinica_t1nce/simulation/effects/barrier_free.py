"""What has no blood-brain barrier: choroid plexus, pituitary, and all outside of the brain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from clinica_t1nce.simulation.effects.effect import UNENHANCED_BLOOD, Effect, Patchy, uneven
from clinica_t1nce.simulation.fields import generator, patches, smooth_noise, soft_step
from clinica_t1nce.simulation.ranges import Compound, any_seed, between, drawn
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue

_FEWEST_VOXELS = 60

_LEAN, _FAT = 0.8, 1.5
"""Intensities before gadolinium: up to the first a tissue holds no fat, from the second all is."""


@dataclass(frozen=True)
class ChoroidPlexus(Effect):
    """Clumps in the ventricles: the labels are wider than the plexus, clumps make them real.

    Attributes
    ----------
    uptake
        Enhancement of the clumps.
    clump_spacing, clump_level
        Spacing in voxels and threshold of the noise whose high values the clumps are.
    """

    probability: ClassVar[float] = 0.9
    uptake: Patchy = uneven(0.2, 1.3, patchy=0.2)
    clump_spacing: float = between(1.5, 4)
    clump_level: float = between(-0.3, 1.0)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        random = generator(self.seed, scene.device)
        clumps = patches(scene.shape, self.clump_spacing, self.clump_level, 3, random)
        self.uptake.enhance(scene, scene.is_tissue(Tissue.CHOROID_PLEXUS) * clumps)


@dataclass(frozen=True)
class Sella(Effect):
    """Pituitary, its stalk, and the cavernous sinuses beside it.

    Placed from the optic chiasm, below which the pituitary hangs by its stalk (adults: its middle
    lies about 10 mm lower).

    Attributes
    ----------
    gland_uptake, sinus_blood
        Enhancement of gland and stalk, and of the sinuses.
    below
        Distance of the gland's middle from the chiasm in mm.
    gland, sinus
        Half axes in mm, left-right, front-back, up-down.
    aside
        Distance of the sinuses' middles from the midline in mm.
    stalk_radius
        Radius of the stalk in mm.
    intensity, unenhanced
        Intensities before gadolinium of gland and stalk, and of the sinuses.
    """

    probability: ClassVar[float] = 0.9
    gland_uptake: Patchy = uneven(0.2, 1.2, patchy=0)
    sinus_blood: Patchy = uneven(0.2, 1.4, patchy=0.3)
    below: float = between(7, 12)
    gland: tuple[float, float, float] = drawn((4, 7), (3, 6), (2, 5))
    sinus: tuple[float, float, float] = drawn((2, 5), (6, 11), (4, 7))
    aside: float = between(9, 14)
    stalk_radius: float = between(0.6, 1.6)
    intensity: float = between(0.6, 1.1)
    unenhanced: float = drawn(UNENHANCED_BLOOD)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        nerves = torch.nonzero(scene.is_tissue(Tissue.OPTIC_CHIASM))
        if len(nerves) < _FEWEST_VOXELS:
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
            self.sinus_blood.enhance(part, sinuses * solid, self.unenhanced)
            gland = _ellipsoid(x, y, z + self.below, self.gland, bumps)
            stalk = soft_step(self.stalk_radius - torch.hypot(x, y), 0.3) * (
                (z < 0) & (z > -self.below)
            )
            self.gland_uptake.enhance(part, torch.maximum(gland, stalk) * solid, self.intensity)


def _ellipsoid(
    x: torch.Tensor,
    y: torch.Tensor,
    z: torch.Tensor,
    half: tuple[float, float, float],
    bumps: torch.Tensor,
) -> torch.Tensor:
    radius = torch.sqrt((x / half[0]) ** 2 + (y / half[1]) ** 2 + (z / half[2]) ** 2)
    return soft_step((1 + bumps - radius) * min(half), 0.4)


@dataclass(frozen=True)
class TissueAmounts(Compound):
    """Amounts for some of several tissues.

    Attributes
    ----------
    highest
        Probability, and highest amount, of each tissue.
    """

    highest: Mapping[Tissue, tuple[float, float]]

    def draw(self, rng: np.random.Generator, contrast: Any) -> tuple[tuple[Tissue, float], ...]:
        """Draw which tissues enhance, and by how much."""
        return tuple(
            (tissue, rng.uniform(0, highest))
            for tissue, (probability, highest) in self.highest.items()
            if rng.random() < probability
        )


@dataclass(frozen=True)
class Extracranial(Effect):
    """Muscle, mucosa, skin, marrow and orbit: each tissue by its own amount and unevenly.

    Attributes
    ----------
    amounts
        Tissues that enhance, and by how much.
    unevenness
        Relative standard deviation of the amounts.
    spacing
        Spacing of the unevenness in voxels.
    """

    amounts: tuple[tuple[Tissue, float], ...] = drawn(
        TissueAmounts(
            {
                Tissue.EYE: (0.25, 0.2),
                Tissue.SOFT_TISSUE: (0.25, 0.4),
                Tissue.EYE_OTHER: (0.25, 0.5),
                # Turbinates are full of wide veins.
                Tissue.NASAL_CAVITY: (0.5, 1.0),
                Tissue.SKIN: (0.25, 0.3),
                Tissue.COMPACT_BONE: (0.25, 0.15),
                Tissue.BONE_MARROW: (0.25, 0.3),
                Tissue.OPTIC_CHIASM: (0.25, 0.3),
            }
        )
    )
    unevenness: float = between(0.2, 0.8)
    spacing: float = between(2, 11)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        noise = smooth_noise(scene.shape, self.spacing, generator(self.seed, scene.device))
        waver = (1 + self.unevenness * noise).clamp_min(0)
        # Fat is bright before and takes up nothing.
        lean = ((_FAT - scene.image) / (_FAT - _LEAN)).clamp(0, 1)
        for tissue, amount in self.amounts:
            scene.enhance(scene.is_tissue(tissue) * lean, amount * waver)
