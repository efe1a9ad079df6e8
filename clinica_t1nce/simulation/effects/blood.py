"""Blood: sinuses, veins, arteries and capillaries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.effect import UNENHANCED_BLOOD, Effect, Patchy, Uptake, uneven
from clinica_t1nce.simulation.fields import distance_to_zero, generator, smooth_noise, soft_step
from clinica_t1nce.simulation.ranges import (
    By,
    Sometimes,
    any_seed,
    between,
    drawn,
)
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import GRAY_MATTER, WHITE_MATTER, Tissue

_BED = (
    *(Tissue.CSF, Tissue.BACKGROUND, Tissue.CHOROID_PLEXUS),
    *(Tissue.LATERAL_VENTRICLE, Tissue.THIRD_VENTRICLE, Tissue.VENOUS_SINUS),
)


class _Labelled(Effect):
    """Blood in the vessels that the label map shows."""

    tissue: ClassVar[Tissue]
    blood: Patchy

    @classmethod
    def shows(cls, rng: np.random.Generator, probability: float) -> bool:
        """Draw whether this image has them; by the other end of the numbers than in the rest."""
        return rng.random() < probability

    def _apply(self, scene: Scene) -> None:
        self.blood.enhance(scene, scene.is_tissue(self.tissue).float())


@dataclass(frozen=True)
class Sinuses(_Labelled):
    """Dural venous sinuses, the most striking sign of gadolinium.

    At usual doses 0.3 to 2 times white matter on top; absent after a late or failed injection.

    Attributes
    ----------
    blood
        Enhancement of the blood.
    """

    probability: ClassVar[float] = 0.95
    tissue: ClassVar[Tissue] = Tissue.VENOUS_SINUS
    blood: Patchy = uneven(0.3, 2.0, patchy=0.3)


@dataclass(frozen=True)
class Arteries(_Labelled):
    """Arteries at the base of the skull; weaker than veins, as inflow was bright before.

    Attributes
    ----------
    blood
        Enhancement of the blood.
    """

    probability: ClassVar[float] = 0.9
    tissue: ClassVar[Tissue] = Tissue.ARTERY
    blood: Patchy = uneven(0.2, 1.5, patchy=0.2)


@dataclass(frozen=True)
class ThinSinuses(Effect):
    """Sinuses where the labels are thin or end: straight, transverse, sigmoid, inferior sagittal.

    Tubes where folds of dura meet: falx and tentorium, tentorium and skull, falx and skull. Radii
    as in anatomy: 1 to 4 mm.

    Attributes
    ----------
    blood
        Enhancement of the blood.
    radii
        Radii in mm of the straight, the transverse and the superior sagittal sinus (0: none).
    inferior
        Distance of the inferior sagittal sinus from the brain in mm, or None.
    unenhanced
        Intensity of the blood before gadolinium.
    roughness
        Standard deviation of the radii in mm.
    """

    probability: ClassVar[float] = 0.6
    blood: Patchy = uneven(0.3, 2.0, patchy=0.3)
    radii: tuple[float, float, float] = drawn((0.8, 2.5), (1, 4), (0, 3))
    inferior: float | None = drawn(Sometimes(0.5, (0.3, 2.0)))
    unenhanced: float = drawn(UNENHANCED_BLOOD)
    roughness: float = between(0.1, 0.6)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        noise = smooth_noise(scene.shape, 6, generator(self.seed, scene.device))
        wall = (scene.depth - 1).clamp_min(0)
        straight, transverse, sagittal = self.radii
        inside = torch.maximum(
            straight - torch.hypot(scene.falx, scene.tentorium),
            transverse - torch.hypot(scene.tentorium, wall),
        )
        inside = torch.maximum(inside, sagittal - torch.hypot(scene.falx, wall))
        if self.inferior is not None:
            edge = torch.hypot(scene.falx, 2 * (scene.outside_tissue - self.inferior))
            inside = torch.maximum(inside, torch.where(scene.depth > 12, 1.2 - edge, -1.0))
        where = scene.intracranial & (scene.outside_tissue > -0.3)
        tube = soft_step(inside + self.roughness * noise, 0.3) * where
        self.blood.enhance(scene, tube, self.unenhanced)


@dataclass(frozen=True)
class DeepVeins(Effect):
    """Internal cerebral veins and vein of Galen, and the veins of the ventricles' walls.

    A pair along the midline beside the ventricles, 2 to 3 mm across in adults, and a net on the
    ventricles' walls.

    Attributes
    ----------
    blood, net
        Enhancement of the pair and of the net.
    off_wall, off_midline
        Distances of the pair from the ventricles and from the midline, in mm.
    radius, net_radius
        Radii of the pair and of the net in mm.
    winding
        Spacing in voxels of the noise whose zero set, on the wall, is the net.
    unenhanced
        Intensity of the blood before gadolinium.
    """

    probability: ClassVar[float] = 0.8
    blood: Patchy = uneven(0.3, 1.8, patchy=0.6)
    off_wall: float = between(0.5, 4)
    off_midline: float = between(0.5, 2)
    radius: float = between(0.6, 1.6)
    net: Patchy = uneven(0.1, 1.0, patchy=0.6)
    net_radius: float = between(0.3, 0.9)
    winding: float = between(5, 14)
    unenhanced: float = drawn(UNENHANCED_BLOOD)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        random = generator(self.seed, scene.device)
        noise = smooth_noise(scene.shape, self.winding, random)
        sideways = scene.falx - self.off_midline
        pair = torch.hypot(scene.ventricle - self.off_wall - 0.7 * noise, sideways)
        # They run in the fluid on the roof of the third ventricle. Farther on, and above them, the
        # midline is callosum, fornix and septum, which look like a vein and are none.
        where = scene.is_tissue(*_BED) * scene.near(Tissue.THIRD_VENTRICLE, blocks=1)
        # The label maps know no such vein: a faint one lies in what they call tissue.
        self.blood.enhance(scene, soft_step(self.radius - pair, 0.25) * where, self.unenhanced)
        net = torch.hypot(scene.ventricle - 0.5, distance_to_zero(noise))
        self.net.enhance(scene, soft_step(self.net_radius - net, 0.25))


@dataclass(frozen=True)
class SurfaceVessel(Effect):
    """Cortical veins and arteries, which run on the brain's surface and in its sulci.

    A net of winding tubes: where smooth noise is zero, on a shell around the cortex. The zero set
    of noise is a surface; cut by the shell it becomes curves that branch and close as pial vessels
    do. Two in five are faint (arterioles, late phase).

    Attributes
    ----------
    blood
        Enhancement of the blood.
    winding
        Spacing in voxels of the noise whose zero set is cut.
    height
        Height of the shell above the cortex in mm.
    waviness, waviness_spacing
        Standard deviation of the height in mm, and its spacing in voxels.
    radius
        Radius of the tubes in mm.
    unenhanced
        Intensity of the blood before gadolinium.
    """

    blood: Patchy = drawn(Sometimes(0.4, Uptake(0.1, 0.7, 0.9), otherwise=Uptake(0.2, 1.8, 0.9)))
    winding: float = between(4, 16)
    height: float = between(0, 2.2)
    waviness: float = between(0, 0.8)
    waviness_spacing: float = between(3.5, 11)
    radius: float = between(0.4, 1.3)
    unenhanced: float = drawn(UNENHANCED_BLOOD)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        random = generator(self.seed, scene.device)
        across = distance_to_zero(smooth_noise(scene.shape, self.winding, random))
        wave = self.waviness * smooth_noise(scene.shape, self.waviness_spacing, random)
        above = scene.outside_tissue - self.height - wave
        distance = torch.hypot(across, above)
        where = scene.intracranial & scene.outside_brain & ~scene.is_tissue(Tissue.WHITE_MATTER)
        tubes = soft_step(self.radius - distance, 0.25) * where
        self.blood.enhance(scene, tubes, self.unenhanced)


def _crossings(
    scene: Scene, windings: tuple[float, float], radius: float, seed: int
) -> torch.Tensor:
    """Draw winding tubes where the zero sets of two smooth noises cross, 0..1."""
    random = generator(seed, scene.device)
    first, second = (
        distance_to_zero(smooth_noise(scene.shape, winding, random)) for winding in windings
    )
    return soft_step(radius - torch.hypot(first, second), 0.25)


@dataclass(frozen=True)
class FreeVessel(Effect):
    """Vessels that follow no surface: bridging veins, vessels of the cisterns, deep veins.

    Two in five run in tissue (medullary and subependymal veins): they are thin and only enhance.
    In the fluid vessels have an intensity of their own before gadolinium.

    Attributes
    ----------
    blood
        Enhancement of the blood.
    windings
        Spacings in voxels of the two noises.
    radius
        Radius of the tubes in mm.
    unenhanced
        Intensity of the blood before gadolinium; None in tissue.
    """

    blood: Patchy = drawn(Sometimes(0.4, Uptake(0.05, 0.5, 0.5), otherwise=Uptake(0.2, 1.5, 0.5)))
    windings: tuple[float, float] = drawn((9, 22), (9, 22))
    radius: float = between(0.3, 1.2)
    unenhanced: float | None = drawn(UNENHANCED_BLOOD)
    seed: int = any_seed()

    @classmethod
    def draw(
        cls, ranges: Mapping[str, Any], rng: np.random.Generator, contrast: Contrast | None
    ) -> "FreeVessel":
        """Draw where it runs, then all else."""
        blood = ranges["blood"]
        if rng.random() < blood.probability:
            here = {"blood": blood.range, "unenhanced": By(lambda rng, contrast: None)}
        else:
            here = {"blood": blood.otherwise}
        return super().draw({**ranges, **here}, rng, contrast)

    def _apply(self, scene: Scene) -> None:
        where = scene.intracranial
        if self.unenhanced is not None:
            where = where & scene.outside_brain
        tube = _crossings(scene, self.windings, self.radius, self.seed) * where
        self.blood.enhance(scene, tube, self.unenhanced)


@dataclass(frozen=True)
class Inflow(Effect):
    """Thin arteries of fresh, unsaturated blood in cisterns and sulci, bright in both images.

    Slabs of gradient echo show them so at the base of the brain and in the Sylvian fissure; what
    gadolinium adds to blood that is bright already is little.

    Attributes
    ----------
    brightness
        Intensity before gadolinium.
    enhancement
        Enhancement, often none.
    windings
        Spacings in voxels of the two noises.
    radius
        Radius of the tubes in mm.
    """

    probability: ClassVar[float] = 0.12
    brightness: Patchy = uneven(0.8, 1.9, patchy=0.5)
    enhancement: float = drawn(Sometimes(0.5, (0, 0.4), otherwise=0.0))
    windings: tuple[float, float] = drawn((8, 22), (8, 22))
    radius: float = between(0.4, 1.3)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        where = scene.intracranial & scene.outside_brain
        tube = _crossings(scene, self.windings, self.radius, self.seed) * where
        share, brightness = self.brightness.spread(tube)
        scene.paint(share, brightness)
        if self.enhancement:
            scene.enhance(share, self.enhancement)


@dataclass(frozen=True)
class Perfusion(Effect):
    """Blood in the capillaries: a few per cent more signal, most in gray matter.

    Blood is about 5 % of gray matter and 2 to 3 % of white matter (Leenders et al., Brain 1990);
    that gadolinium lifts it by about white matter's intensity is assumed. So little moves the
    border between the two that a segmentation draws: on real pairs cortex came out thinner, and
    white matter too large by 30 to 40 cm³. Absent as after a low dose or a long wait.

    Attributes
    ----------
    amount
        Enhancement of gray matter.
    white_share
        Enhancement of white matter, as a fraction of gray matter's.
    spacing
        Spacing in voxels of the noise by which the amount wavers.
    """

    probability: ClassVar[float] = 0.88
    amount: float = between(0.015, 0.075)
    white_share: float = between(0.25, 0.6)
    spacing: float = between(6, 15)
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        noise = smooth_noise(scene.shape, self.spacing, generator(self.seed, scene.device))
        share = scene.is_tissue(*GRAY_MATTER) + scene.is_tissue(*WHITE_MATTER) * self.white_share
        scene.enhance(share, (self.amount * (1 + 0.2 * noise)).clamp_min(0))
