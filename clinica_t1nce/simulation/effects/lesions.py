"""Disease: lesions, which stay in the image when their enhancement is taken out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.effect import Blob, Blobs, Effect, Patchy, uneven
from clinica_t1nce.simulation.fields import generator, patches, smooth_noise, soft_step
from clinica_t1nce.simulation.ranges import By, Compound, Sometimes, any_seed, between, drawn
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import WHITE_MATTER, Tissue


@dataclass(frozen=True)
class Lesion(Effect):
    """A small lesion: a metastasis, a lymphoma, an abscess, or nothing that has a name.

    A bumpy ellipsoid: oedema around, core that enhances, necrosis inside. All three are painted
    into the image, enhancing or not, so that a network learns to take away the enhancement and to
    leave the lesion. All ranges are wider than what metastases look like on T1-weighted images.

    Attributes
    ----------
    uptake
        Enhancement of the core.
    blob
        Position and shape.
    core
        Intensity of the core before gadolinium.
    oedema
        Width in mm, strength and target intensity, or None.
    necrosis
        Distance from the rim in mm and intensity, or None; only above a radius of 4 mm.
    clumps
        Spacing in voxels and threshold of the noise whose high values enhance.
    """

    uptake: Patchy = uneven(0.15, 1.5, patchy=0)
    blob: Blob = drawn(Blobs(1.5, 14))
    core: float = drawn(By(lambda rng, contrast: rng.uniform(contrast.csf, 1.0)))
    oedema: tuple[float, float, float] | None = drawn(
        Sometimes(0.6, ((2, 14), (0.3, 0.9), By(lambda rng, c: min(c.gray, rng.uniform(0.4, 1)))))
    )
    necrosis: tuple[float, float] | None = drawn(
        Sometimes(0.55, ((1.2, 4), By(lambda rng, contrast: rng.uniform(contrast.csf, 0.8))))
    )
    clumps: tuple[float, float] = drawn((2, 6), (-0.5, 1.5))
    seed: int = any_seed()

    @classmethod
    def draw(
        cls, ranges: Mapping[str, Any], rng: np.random.Generator, contrast: Contrast | None
    ) -> "Lesion":
        """Draw all, then whether there are oedema and necrosis."""
        blob = ranges["blob"].draw(rng, contrast)
        oedema, necrosis = ranges["oedema"], ranges["necrosis"]
        around, middle = (part.range.draw(rng, contrast) for part in (oedema, necrosis))
        return cls(
            blob=blob,
            uptake=ranges["uptake"].draw(rng, contrast),
            core=ranges["core"].draw(rng, contrast),
            oedema=around if rng.random() < oedema.probability else None,
            necrosis=middle if blob.radius > 4 and rng.random() < necrosis.probability else None,
            clumps=ranges["clumps"].draw(rng, contrast),
            seed=ranges["seed"].draw(rng, contrast),
        )

    def _apply(self, scene: Scene) -> None:
        margin = self.oedema[0] + 4 if self.oedema is not None else 2
        with self.blob.around(scene, margin) as (part, from_rim):
            random = generator(self.seed, scene.device)
            core = soft_step(-from_rim, 0.5) * (
                part.intracranial & ~part.is_tissue(Tissue.VENOUS_SINUS)
            )
            if self.oedema is not None:
                width, strength, target = self.oedema
                around = soft_step(width - from_rim, 2.0) * (part.outside_tissue < -0.5)
                part.paint(around * strength, target)
            texture = 1 + 0.08 * smooth_noise(part.shape, 4, random)
            part.paint(core, self.core * texture)
            if self.necrosis is not None:
                rim_width, intensity = self.necrosis
                middle = soft_step(-from_rim - rim_width, 0.6) * core
                part.paint(middle, intensity)
                core = core * (1 - middle)
            share, amount = self.uptake.spread(core)
            part.enhance(share * patches(part.shape, *self.clumps, 3, random), amount)


@dataclass(frozen=True)
class Tumour(Effect):
    """A large tumour such as a glioblastoma: irregular ring, mixed middle, oedema.

    A mass up to 25 mm in radius, in whose middle living and dead parts are mixed. Before
    gadolinium the ring hardly differs from gray matter, which is why its enhancement is all there
    is to see of it; blood and calcium make some spots bright in both images.

    Attributes
    ----------
    uptake
        Enhancement of the ring.
    blob
        Position and shape.
    rim
        Thickness of the ring in mm, and how much it varies along it.
    solid, dead
        Intensity before gadolinium of what lives and of what does not.
    mixture
        Spacing in voxels and level of the living parts of the middle: below -1 the middle is
        dead, above 1 it enhances as a whole.
    middle_uptake
        Enhancement of the middle's living parts, as a fraction of the ring's.
    seepage
        Enhancement of the dead parts, into which gadolinium seeps with time, as a fraction.
    oedema
        Width in mm, strength, target intensity.
    blood
        Intensity of spots of blood, or None.
    """

    uptake: Patchy = uneven(0.2, 1.6, patchy=0.2)
    blob: Blob = drawn(Blobs(6, 25, bumps=(0.1, 0.3)))
    rim: tuple[float, float] = drawn((1, 6), (0, 1.5))
    solid: float = drawn(By(lambda rng, contrast: rng.uniform(min(contrast.gray, 0.9) - 0.1, 1.0)))
    dead: float = drawn(By(lambda rng, contrast: rng.uniform(contrast.csf, contrast.gray)))
    mixture: tuple[float, float] = drawn((2, 8), (-1.5, 1.5))
    middle_uptake: float = between(0.2, 1)
    seepage: float = drawn(Sometimes(0.5, (0, 0.3), otherwise=0.0))
    oedema: tuple[float, float, float] = drawn((2, 20), (0.2, 0.9), (0.5, 0.95))
    blood: float | None = drawn(Sometimes(0.25, (0.9, 1.6)))
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        width, strength, target = self.oedema
        with self.blob.around(scene, width + 4) as (part, from_rim):
            random = generator(self.seed, scene.device)
            inside = part.intracranial & ~part.is_tissue(Tissue.VENOUS_SINUS)
            mass = soft_step(-from_rim, 0.5) * inside
            around = soft_step(width - from_rim, 2.0) * (part.outside_tissue < -0.5)
            part.paint(around * strength, target * part.image)
            thickness, variation = self.rim
            varied = thickness + variation * smooth_noise(part.shape, 5, random)
            middle = soft_step(-from_rim - varied.clamp_min(0.5), 0.6)
            living = 1 - middle * (1 - patches(part.shape, *self.mixture, 4, random))
            texture = 1 + 0.06 * smooth_noise(part.shape, 3, random)
            part.paint(mass, (self.dead + (self.solid - self.dead) * living) * texture)
            if self.blood is not None:
                part.paint(mass * patches(part.shape, 4, -1.8, 6, random), self.blood)
            uptake = (1 - middle) + middle * (
                living * self.middle_uptake + (1 - living) * self.seepage
            )
            self.uptake.enhance(part, mass * uptake)


Plaque = tuple[Blob, float, float, float | None]
"""Position and shape, relative intensity, enhancement (0: inactive), width in mm of the enhancing
ring (None: the whole plaque)."""


@dataclass(frozen=True)
class PlaqueRanges(Compound):
    """Ranges of the plaques of one patch.

    Attributes
    ----------
    count
        Fewest and most plaques.
    active, amount
        Fraction of plaques that enhance, and the amount's range.
    blobs
        Positions and shapes.
    intensity
        Range of the intensity relative to the tissue.
    """

    count: tuple[int, int] = (1, 5)
    active: float = 0.35
    amount: tuple[float, float] = (0.1, 1.0)
    blobs: Blobs = Blobs(1.5, 7, bumps=(0.1, 0.1))
    intensity: tuple[float, float] = (0.5, 0.98)

    def draw(self, rng: np.random.Generator, contrast: Any) -> tuple[Plaque, ...]:
        """Draw all plaques."""

        def plaque() -> Plaque:
            amount = rng.uniform(*self.amount) if rng.random() < self.active else 0.0
            ring = rng.uniform(0.8, 2) if rng.random() < 0.4 else None
            return self.blobs.draw(rng, contrast), rng.uniform(*self.intensity), amount, ring

        fewest, most = self.count
        return tuple(plaque() for _ in range(rng.integers(fewest, most + 1)))


@dataclass(frozen=True)
class Plaques(Effect):
    """Plaques of multiple sclerosis: small dark ovals in white matter, of which a few enhance.

    They are black holes, or active and enhancing, whole or as a ring.

    Attributes
    ----------
    plaques
        Numbers of each plaque, see :data:`Plaque`.
    """

    plaques: tuple[Plaque, ...] = drawn(PlaqueRanges())

    def _apply(self, scene: Scene) -> None:
        for blob, intensity, amount, ring in self.plaques:
            with blob.around(scene, 2) as (part, from_rim):
                white = part.is_tissue(*WHITE_MATTER, Tissue.WHITE_MATTER_LESION)
                oval = soft_step(-from_rim, 0.5) * white
                part.paint(oval, intensity * part.image)
                if amount:
                    shell = oval if ring is None else oval * soft_step(from_rim + ring, 0.3)
                    part.enhance(shell, amount)


@dataclass(frozen=True)
class Meningioma(Effect):
    """A smooth, evenly enhancing dome on the nearest wall of the cavity, with a dural tail.

    Attributes
    ----------
    uptake
        Enhancement of dome and tail.
    blob
        Position and shape; the centre is moved to the wall.
    intensity
        Intensity before gadolinium: about that of gray matter.
    tail
        Reach in mm of the thickened dura, and its thickness.
    """

    uptake: Patchy = uneven(0.3, 1.5, patchy=0)
    blob: Blob = drawn(Blobs(4, 18, bumps=(0.02, 0.12)))
    intensity: float = drawn(By(lambda rng, contrast: contrast.gray * rng.uniform(0.85, 1.15)))
    tail: tuple[float, float] = drawn((2, 15), (0.5, 2))
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        centre = self._on_the_wall(scene)
        reach, thickness = self.tail
        with replace(self.blob, centre=centre).around(scene, reach) as (part, from_rim):
            random = generator(self.seed, scene.device)
            texture = 1 + 0.05 * smooth_noise(part.shape, 3, random)
            mass = soft_step(-from_rim, 0.4) * part.intracranial
            part.paint(mass, self.intensity * texture)
            dura = soft_step(thickness - (part.depth - 0.5).abs(), 0.3)
            tail = soft_step(reach * 0.6 - from_rim, 1.0) * dura * part.outside_brain
            self.uptake.enhance(part, torch.maximum(mass, tail))

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


@dataclass(frozen=True)
class Cavity(Effect):
    """The hole that a resection leaves.

    Fluid, scarred tissue around it, and a rim that enhances thinly, thickly or not at all.

    Attributes
    ----------
    uptake
        Enhancement of the rim.
    blob
        Position and shape.
    fluid
        Intensity of the contents: as CSF, or brighter with protein.
    rim
        Thickness in mm of the lining.
    blood
        Intensity of blood in the lining, bright in both images, or None.
    scar
        Width in mm and strength of the darker tissue around.
    """

    uptake: Patchy = uneven(0.0, 1.2, patchy=0.7)
    blob: Blob = drawn(Blobs(4, 20, bumps=(0.1, 0.3)))
    fluid: float = drawn(By(lambda rng, c: rng.uniform(c.csf * 0.8, max(c.gray - 0.1, c.csf))))
    rim: float = between(0.5, 3)
    blood: float | None = drawn(Sometimes(0.4, (0.9, 1.5)))
    scar: tuple[float, float] = drawn((1, 8), (0, 0.35))
    seed: int = any_seed()

    def _apply(self, scene: Scene) -> None:
        width, strength = self.scar
        with self.blob.around(scene, width + 4) as (part, from_rim):
            random = generator(self.seed, scene.device)
            scar = soft_step(width - from_rim, 1.5) * (part.outside_tissue < -0.5)
            part.paint(scar * strength, part.image * 0.6)
            hole = soft_step(-from_rim, 0.5) * part.intracranial
            part.paint(hole, self.fluid)
            rim = soft_step(self.rim / 2 - (from_rim - self.rim / 2).abs(), 0.3)
            rim = rim * part.intracranial
            if self.blood is not None:
                part.paint(rim * patches(part.shape, 5, -0.3, 4, random), self.blood)
            self.uptake.enhance(part, rim)


KINDS: dict[type[Effect], float] = {
    Lesion: 0.35,
    Tumour: 0.25,
    Plaques: 0.2,
    Meningioma: 0.1,
    Cavity: 0.1,
}
"""Fraction of each kind among the patches that show disease."""
