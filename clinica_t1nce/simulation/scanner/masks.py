"""What is cut off: brain masks, faces, and what lies outside of the field of view."""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch

from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.fields import generator, smooth_noise
from clinica_t1nce.simulation.geometry import Placement
from clinica_t1nce.simulation.scene import Scene

Cut = TypeVar("Cut", bound="Plane")

_FARTHEST = 10
"""Distance from the brain in mm beyond which no mask keeps anything."""
_FILLED = 14
"""Depth in the cavity in mm below which no mask has holes."""
_CUT_OFF = 0.2
"""Fraction of images in which the field of view ends in the head."""


@dataclass(frozen=True)
class Stripping:
    """A brain mask that ends at the skull, at the cortex, or a wavy mix.

    Attributes
    ----------
    depth
        Least depth in the cavity of what is kept, in mm, or None.
    margin
        Largest distance from the brain of what is kept, in mm, or None.
    waviness, waviness_spacing
        Standard deviation of both in mm, and its spacing in voxels.
    seed
        Seed of the waviness.
    """

    depth: float | None
    margin: float | None
    waviness: float
    waviness_spacing: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Stripping | None":
        """Draw; every other image is stripped."""
        return None if rng.random() < 0.5 else cls.draw(rng)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Stripping":
        """Draw a mask of some tightness."""
        kind = rng.random()
        return cls(
            depth=rng.uniform(-2, 3) if kind < 0.5 or kind > 0.85 else None,
            margin=rng.uniform(0.3, 4) if kind >= 0.5 else None,
            waviness=rng.uniform(0, 1.2),
            waviness_spacing=rng.uniform(4, 15),
            seed=int(rng.integers(2**31)),
        )

    def mask(self, scene: Scene) -> torch.Tensor:
        """Return the mask of what is kept."""
        random = generator(self.seed, scene.device)
        wave = self.waviness * smooth_noise(scene.shape, self.waviness_spacing, random)
        # The cavity goes on into the jugular veins, masks do not.
        keep = scene.outside_tissue < _FARTHEST
        if self.depth is not None:
            keep &= scene.depth > self.depth + wave
        if self.margin is not None:
            # Cisterns deep in the brain are filled, as masks are.
            keep &= (scene.outside_tissue < self.margin + wave) | (scene.depth > _FILLED)
        return keep


@dataclass(frozen=True)
class Plane:
    """A plane of the anatomy, as a patch sees it.

    Attributes
    ----------
    normal
        Direction in the axes of the patch towards what is cut off.
    offset
        Distance of the plane from the middle of the patch along the normal, in voxels.
    """

    normal: tuple[float, ...]
    offset: float

    @staticmethod
    def seen(
        placement: Placement, outwards: np.ndarray, through: np.ndarray
    ) -> tuple[tuple[float, ...], float]:
        """Return normal and offset of the plane through a voxel of the anatomy."""
        normal = np.array(placement.matrix).T @ outwards
        return tuple(normal.tolist()), float(outwards @ (through - placement.centre))

    def moved(self: Cut, old: Placement, new: Placement) -> Cut:
        """Return the same plane of the anatomy as another patch sees it."""
        outwards = np.linalg.solve(np.array(old.matrix).T, self.normal)
        normal = np.array(new.matrix).T @ outwards
        shift = float(outwards @ np.subtract(old.centre, new.centre))
        return replace(self, normal=tuple(normal.tolist()), offset=self.offset + shift)

    def within(self, scene: Scene) -> torch.Tensor:
        """Return the mask of what lies on the near side."""
        x, y, z = (
            (torch.arange(n, device=scene.device) - (n - 1) / 2) * weight
            for n, weight in zip(scene.shape, self.normal, strict=True)
        )
        return x[:, None, None] + y[:, None] + z < self.offset


@dataclass(frozen=True)
class Defacing(Plane):
    """A face cut off: 0 in front of and below a plane, as Quickshear does (Schimke et al., 2011).

    Attributes
    ----------
    distance
        Distance in mm from the intracranial cavity that is spared.
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


@dataclass(frozen=True)
class FieldOfView(Plane):
    """Field of view that ends in the head, as of a turned slab: all beyond a plane is 0."""

    @classmethod
    def sample(
        cls, rng: np.random.Generator, placement: Placement, anatomy: Anatomy
    ) -> "FieldOfView | None":
        """Draw; in one image of five it ends at the vertex or in the neck, tilted up to 15 degrees.

        A fifth of the anatomy's height is margin, above the brain as below.
        """
        if rng.random() >= _CUT_OFF:
            return None
        tilt = np.tan(np.deg2rad(rng.uniform(-15, 15, 2)))
        sides = np.array(anatomy.tissue.shape)
        above = rng.random() < 0.5
        level = sides[2] * (1 - rng.uniform(0.09, 0.27) if above else rng.uniform(0.05, 0.3))
        outwards = np.array([*tilt, 1.0 if above else -1.0])
        outwards /= np.linalg.norm(outwards)
        through = np.array([sides[0] / 2, sides[1] / 2, level])
        return cls(*cls.seen(placement, outwards, through))

    def mask(self, scene: Scene) -> torch.Tensor:
        """Return the mask of what is kept."""
        return self.within(scene)
