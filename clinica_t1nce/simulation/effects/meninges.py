"""Dura, pia, and the sulci whose fluid many small vessels lift."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from clinica_t1nce.simulation.effects.effect import UNENHANCED_BLOOD, Effect, Patchy, Uptake, uneven
from clinica_t1nce.simulation.fields import generator, smooth_noise, soft_step
from clinica_t1nce.simulation.ranges import (
    By,
    Sometimes,
    any_seed,
    between,
    drawn,
)
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Dura(Effect):
    """The dura along the skull: a sheet on the wall of the intracranial cavity.

    Attributes
    ----------
    uptake
        Enhancement of the sheet.
    thickness
        Half of its thickness in mm.
    roughness, roughness_spacing
        Standard deviation of the thickness in mm, and its spacing in voxels.
    offset
        Depth of its middle in the cavity in mm.
    unenhanced
        Intensity before gadolinium; None: as the label map has it.
    """

    probability: ClassVar[float] = 0.75
    uptake: Patchy = uneven(0.05, 1.0, patchy=0.8)
    thickness: float = between(0.3, 1.8)
    roughness: float = between(0.2, 0.5)
    roughness_spacing: float = between(5, 18)
    offset: float = between(-0.5, 1.0)
    unenhanced: float | None = drawn(Sometimes(0.6, UNENHANCED_BLOOD))
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        random = generator(self.seed, scene.device)
        rough = self.roughness * smooth_noise(scene.shape, self.roughness_spacing, random)
        from_wall = (scene.depth - self.offset).abs()
        sheet = soft_step(self.thickness + rough - from_wall, 0.3) * (scene.outside_tissue > -1.2)
        self.uptake.enhance(scene, sheet, self.unenhanced)


@dataclass(frozen=True)
class DuralFolds(Effect):
    """Falx and tentorium: sheets of dura between the hemispheres and above the cerebellum.

    Attributes
    ----------
    uptake
        Enhancement of the sheets.
    half_thickness
        Half of their thickness in mm.
    unenhanced
        Intensity before gadolinium; None: as the label map has it.
    """

    probability: ClassVar[float] = 0.83
    uptake: Patchy = uneven(0.05, 1.0, patchy=0.5)
    half_thickness: float = between(0.3, 1.5)
    unenhanced: float | None = drawn(Sometimes(0.6, UNENHANCED_BLOOD))

    def _apply(self, scene: Scene) -> None:
        fold = torch.minimum(scene.falx, scene.tentorium)
        sheet = soft_step(self.half_thickness - fold, 0.4) * (scene.fluid & scene.outside_brain)
        self.uptake.enhance(scene, sheet, self.unenhanced)


@dataclass(frozen=True)
class Pia(Effect):
    """The thin bright lining of the brain's surface: vessels too fine to resolve, a faint rim.

    Attributes
    ----------
    uptake
        Enhancement of the rim.
    height
        Height of its middle above the brain's surface in mm.
    variance
        Twice the variance of its profile, in mm².
    """

    probability: ClassVar[float] = 0.4
    uptake: Patchy = uneven(0.02, 0.25, patchy=0.9)
    height: float = between(-0.3, 0.8)
    variance: float = between(0.2, 0.7)

    def _apply(self, scene: Scene) -> None:
        rim = torch.exp(-(scene.outside_tissue - self.height).square() / self.variance)
        self.uptake.enhance(scene, rim * scene.intracranial)


@dataclass(frozen=True)
class Sulci(Effect):
    """Partial volume of vessels in narrow sulci: what makes gray matter look too thick.

    On real pairs the sulcal CSF rises from 0.4 to 0.7 of white matter.

    Attributes
    ----------
    fluid
        Enhancement of the fluid.
    wall
        Enhancement of the sulcus's wall, or None.
    reach
        Distance in mm from the brain up to which fluid is lifted.
    clumps, clump_spacings
        Strengths of two clumpy noises, and their spacings in voxels.
    height, variance
        Height of the wall's middle above the brain's surface in mm, and twice the variance of its
        profile in mm².
    """

    probability: ClassVar[float] = 0.5
    fluid: Patchy = uneven(0.03, 0.4, patchy=0.9)
    wall: Patchy | None = drawn(Sometimes(0.5, Uptake(0.02, 0.15, patchy=0.8)))
    reach: float = between(0.7, 3)
    clumps: tuple[float, float] = drawn((0, 0.6), (0, 0.6))
    clump_spacings: tuple[float, float] = drawn((1.5, 5), (1.5, 5))
    height: float = between(-0.5, 0.8)
    variance: float = between(0.3, 0.9)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        random = generator(self.seed, scene.device)
        fluid = scene.is_tissue(
            Tissue.CSF, Tissue.CHOROID_PLEXUS, Tissue.BACKGROUND, Tissue.VENOUS_SINUS
        )
        lift = soft_step(self.reach - scene.outside_tissue, 0.5) * fluid * scene.intracranial
        for strength, spacing in zip(self.clumps, self.clump_spacings, strict=True):
            noise = smooth_noise(scene.shape, spacing, random)
            lift = lift * (1 + strength * noise).clamp_min(0)
        self.fluid.enhance(scene, lift)
        if self.wall is not None:
            wall = torch.exp(-(scene.outside_tissue - self.height).square() / self.variance)
            self.wall.enhance(scene, wall * scene.intracranial)


@dataclass(frozen=True)
class SulcalFilling(Effect):
    """Fluid of narrow sulci, lifted in patches to the level of cortex and near it.

    Deep in a sulcus the vessels of the pia fill much of each voxel. With gadolinium the voxel
    reaches gray matter's intensity, and a segmentation takes it for gray matter: on real pairs
    fluid of 0.41 of white matter came out as 0.74, and half of what trained networks missed lay
    here.

    Attributes
    ----------
    filling
        Level that is reached, as a fraction of the way from fluid to cortex.
    cortex
        Intensity of cortex.
    reach
        Distance in mm from the cortex up to which fluid is lifted: sulci narrower than twice
        that are filled.
    depth
        Depth in the cavity in mm at which filling begins, and the mm over which it does.
    grain
        Spacing in voxels of the unevenness.
    unevenness
        Relative standard deviation of the lift.
    """

    probability: ClassVar[float] = 0.4
    filling: Patchy = uneven(0.4, 1.15, patchy=0.7)
    cortex: float = drawn(By(lambda rng, contrast: contrast.gray))
    reach: float = between(0.8, 4)
    depth: tuple[float, float] = drawn((-1, 8), (0.5, 3))
    grain: float = between(1.5, 5)
    unevenness: float = between(0, 0.4)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        near = soft_step(self.reach - scene.outside_tissue, 0.4) * scene.fluid
        begin, width = self.depth
        deep = soft_step(scene.depth - begin, width)
        noise = smooth_noise(scene.shape, self.grain, generator(self.seed, scene.device))
        uneven = (1 + self.unevenness * noise).clamp_min(0)
        share, level = self.filling.spread(near * deep)
        scene.enhance(share, (self.cortex - scene.image).clamp_min(0) * level * uneven)
