"""What looks like gadolinium and is none: as bright without it, and must stay in the image."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch.nn import functional as F

from clinica_t1nce.simulation.contrast import WIDE_VARIATION
from clinica_t1nce.simulation.effects.effect import Effect, Patchy, uneven
from clinica_t1nce.simulation.fields import (
    distance_to_zero,
    generator,
    patches,
    smooth_noise,
    soft_step,
    stretch,
)
from clinica_t1nce.simulation.ranges import (
    By,
    Compound,
    Integers,
    Sometimes,
    any_seed,
    between,
    drawn,
)
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import WHITE_MATTER, Tissue

_WHITE = (*WHITE_MATTER, Tissue.VENTRAL_DIENCEPHALON, Tissue.OPTIC_CHIASM)
_BLOCK = 4


@dataclass(frozen=True)
class Fat(Effect):
    """Fat of scalp, orbit and neck, in what the labels call skin, soft tissue and marrow.

    Its T1 is short without gadolinium: at 250 to 380 ms (1.5 T and 3 T; de Bazelaire et al.,
    Radiology 2004) fat is the brightest thing in a T1nce. Fat suppression takes it away in others:
    then the effect is absent.

    Attributes
    ----------
    brightness
        Intensity, 1 to 3 times white matter.
    scalp
        Fraction of fat in the skin, which is a layer; elsewhere it lies in patches.
    orbit
        Fraction of fat around the eyes, where hardly anything else is.
    spacing, level
        Spacing in voxels and threshold of the noise whose high values the patches are.
    """

    probability: ClassVar[float] = 0.67
    brightness: Patchy = uneven(1.0, 3.0, patchy=0)
    scalp: float = between(0, 1)
    orbit: float = between(0.5, 1)
    spacing: float = between(4, 14)
    level: float = between(-0.8, 1.2)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        where = scene.is_tissue(Tissue.SOFT_TISSUE, Tissue.BONE_MARROW, Tissue.EYE_OTHER)
        random = generator(self.seed, scene.device)
        clumps = patches(scene.shape, self.spacing, self.level, 3, random)
        fat = where * clumps + scene.is_tissue(Tissue.SKIN) * self.scalp
        orbit = scene.is_tissue(Tissue.SOFT_TISSUE) * scene.near(Tissue.EYE, Tissue.EYE_OTHER)
        self.brightness.paint(scene, torch.maximum(fat, self.orbit * orbit))


@dataclass(frozen=True)
class Rim(Effect):
    """What a loose brain mask leaves: patches of fat and marrow just outside the cavity.

    Labels have compact bone there, which is thin or missing in places; masks often keep some of
    what lies behind it.

    Attributes
    ----------
    brightness
        Intensity, 0.4 to 2 times white matter.
    start
        Depth in mm at which the layer begins, negative outside the cavity.
    thickness
        Thickness of the layer in mm.
    roughness, spacing
        Standard deviation of the start in mm, and its spacing in voxels.
    """

    probability: ClassVar[float] = 0.4
    brightness: Patchy = uneven(0.4, 2.0, patchy=0.8)
    start: float = between(-2.0, 1.0)
    thickness: float = between(1, 5)
    roughness: float = between(0, 0.8)
    spacing: float = between(3, 12)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        noise = smooth_noise(scene.shape, self.spacing, generator(self.seed, scene.device))
        start = self.start + self.roughness * noise
        behind = start - scene.depth
        layer = soft_step(torch.minimum(behind, self.thickness - behind), 0.3) * (
            (scene.outside_tissue > 0.5) & ~scene.is_tissue(Tissue.VENOUS_SINUS)
        )
        self.brightness.paint(scene, layer)


@dataclass(frozen=True)
class Folia(Effect):
    """The leaves of the cerebellum and its tree of white matter, finer than labels show.

    Thin sheets in the cerebellar cortex, bright ones of white matter and dark ones of fluid. The
    label maps paint the cerebellar cortex as one body; images at 1 mm show white matter of one or
    two voxels in it, above all in the vermis, and fluid between the leaves.

    Attributes
    ----------
    white
        Intensity of the white sheets.
    winding
        Spacing in voxels of the noise whose zero set the white sheets are.
    half_width
        Half of the white sheets' thickness in voxels.
    gap
        Distance of the fluid from the white sheets in voxels.
    fluid
        Intensity of the fluid.
    depth
        Fraction of fluid in the dark sheets.
    """

    probability: ClassVar[float] = 0.67
    white: Patchy = uneven(0.85, 1.3, patchy=0.5)
    winding: float = between(2, 5)
    half_width: float = between(0.3, 1.0)
    gap: float = between(1.5, 3.0)
    fluid: float = drawn(By(lambda rng, contrast: contrast.csf))
    depth: float = between(0, 0.9)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        cortex = scene.is_tissue(Tissue.CEREBELLAR_CORTEX).float()
        noise = smooth_noise(scene.shape, self.winding, generator(self.seed, scene.device))
        away = distance_to_zero(noise).abs()
        scene.paint(soft_step(away - self.gap, 0.3) * cortex * self.depth, self.fluid)
        self.white.paint(scene, soft_step(self.half_width - away, 0.25) * cortex)


def _pair(rng: np.random.Generator, spacing: tuple[float, float], size: float) -> tuple:
    return rng.uniform(*spacing), rng.uniform(0, size)


@dataclass(frozen=True)
class Bands(Compound):
    """Bands of noise: a fine and a coarse one, in half of the images a strong one as well."""

    size: float = 0.04
    strong: float = 0.09
    probability: float = WIDE_VARIATION

    def draw(self, rng: np.random.Generator, contrast: Any) -> tuple[tuple[float, float], ...]:
        """Draw spacing in voxels and relative standard deviation of each."""
        bands = [_pair(rng, (1.5, 4), self.size), _pair(rng, (4, 15), self.size)]
        if rng.random() < self.probability:
            bands.append(_pair(rng, (3, 11), self.strong))
        return tuple(bands)


@dataclass(frozen=True)
class Texture(Effect):
    """Tissue is never of one colour: variation within it, and clutter (arachnoid, flow) in fluid.

    Attributes
    ----------
    bands
        Spacing in voxels and relative standard deviation of each band of noise.
    clutter
        Spacing in voxels and size of bright clutter in fluid, or None.
    """

    bands: tuple[tuple[float, float], ...] = drawn(Bands())
    clutter: tuple[float, float] | None = drawn(Sometimes(0.5, ((1.5, 4), (0, 0.12))))
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        random = generator(self.seed, scene.device)
        for spacing, size in self.bands:
            scene.image = scene.image * (1 + size * smooth_noise(scene.shape, spacing, random))
        if self.clutter is not None:
            spacing, size = self.clutter
            fluid = scene.is_tissue(Tissue.CSF, Tissue.CHOROID_PLEXUS, Tissue.VENOUS_SINUS)
            noise = smooth_noise(scene.shape, spacing, random).abs()
            scene.image = scene.image + fluid * size * noise


@dataclass(frozen=True)
class ThinTissue(Effect):
    """White matter is brightest where it is thin, or looks so: blades of gyri, brainstem's edge.

    A blade of white matter between two sulci is as thin and as bright as a vein, in both images:
    without such a counter-example a network takes it for one.

    Attributes
    ----------
    lift
        Mean relative change of the thinnest parts.
    variation, spacing
        Standard deviation of the change, and its spacing in voxels.
    """

    probability: ClassVar[float] = 0.67
    lift: float = between(-0.05, 0.3)
    variation: float = between(0.02, 0.2)
    spacing: float = between(2, 6)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        white = scene.is_tissue(*_WHITE).float()
        around = F.avg_pool3d(white[None], _BLOCK, ceil_mode=True, count_include_pad=False)
        thin = white * (1 - stretch(around, scene.shape)[0])
        noise = smooth_noise(scene.shape, self.spacing, generator(self.seed, scene.device))
        scene.image = scene.image * (1 + thin * (self.lift + self.variation * noise))


@dataclass(frozen=True)
class Callosum(Effect):
    """The corpus callosum, brighter than other white matter: densest in myelin, not enhancing.

    Label maps call it white matter. Bright between two dark ventricles it looks like a vein or a
    tumour: without such a counter-example a network dims it.

    Attributes
    ----------
    lift
        Relative change.
    width, height
        Distance in mm from the midline and from the ventricles up to which it reaches.
    """

    probability: ClassVar[float] = 0.67
    lift: float = between(0, 0.25)
    width: float = between(4, 14)
    height: float = between(4, 10)

    def _apply(self, scene: Scene) -> None:
        share = (
            scene.is_tissue(Tissue.WHITE_MATTER)
            * soft_step(self.width - scene.falx, 3)
            * soft_step(self.height - scene.ventricle, 2)
        )
        scene.image = scene.image * (1 + self.lift * share)


@dataclass(frozen=True)
class Fornix(Effect):
    """The fornix, which label maps do not know: a pair of bundles of white matter.

    They run below the corpus callosum, where deep veins run as well. Bright, thin and near the
    midline, the fornix looks like an internal cerebral vein and does not enhance.

    Attributes
    ----------
    brightness
        Intensity: that of white matter and a little more.
    off_wall, off_midline
        Distances of the pair from the ventricles and from the midline, in mm.
    radius
        Radius of the bundles in mm.
    winding
        Spacing in voxels of their bends.
    """

    probability: ClassVar[float] = 0.67
    brightness: float = between(0.85, 1.25)
    off_wall: float = between(-1, 4)
    off_midline: float = between(0, 3)
    radius: float = between(0.8, 2.5)
    winding: float = between(6, 14)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        noise = smooth_noise(scene.shape, self.winding, generator(self.seed, scene.device))
        sideways = scene.falx - self.off_midline
        pair = torch.hypot(scene.ventricle - self.off_wall - 0.7 * noise, sideways)
        where = scene.intracranial * scene.near(Tissue.THALAMUS, Tissue.THIRD_VENTRICLE)
        scene.paint(soft_step(self.radius - pair, 0.3) * where, self.brightness)


@dataclass(frozen=True)
class FlowGhosts(Effect):
    """Ghosts of pulsating blood: speckle in line with large vessels, in both images.

    Typical behind the sigmoid and occipital sinuses, across the cerebellum. Where the patch holds
    no sinus, ghosts of one beside it fall in as a band.

    Attributes
    ----------
    axis
        Phase-encoding axis of the patch.
    strength
        Standard deviation of the speckle in line with the thickest vessel, white matter = 1.
    grain
        Spacing of the speckle in voxels.
    band_spacing
        Spacing in voxels of the bands.
    """

    probability: ClassVar[float] = 1 / 6
    axis: int = drawn(Integers(0, 3))
    strength: float = between(0.03, 0.3)
    grain: float = between(1.2, 3)
    band_spacing: float = between(4, 12)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        random = generator(self.seed, scene.device)
        blood = scene.is_tissue(Tissue.VENOUS_SINUS, Tissue.ARTERY).float()
        line = blood.mean(self.axis, keepdim=True)
        slab = [1 if axis == self.axis else n for axis, n in enumerate(scene.shape)]
        band = patches(slab, self.band_spacing, -1.0, 5, random)
        line = torch.maximum(line / line.amax().clamp_min(0.05), 0.5 * band)
        speckle = smooth_noise(scene.shape, self.grain, random)
        scene.image = (scene.image + self.strength * line * speckle).clamp_min(0)
