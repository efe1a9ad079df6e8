"""What all effects share: how they are drawn, uneven uptake, and the shape of lesions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch

from clinica_t1nce.simulation.fields import generator, patches, smooth_noise
from clinica_t1nce.simulation.ranges import By, Drawn, Span, drawn
from clinica_t1nce.simulation.scene import Scene

UNENHANCED_BLOOD = By(lambda rng, contrast: contrast.unenhanced_blood(rng))
"""Intensities of slow blood, or of dura, before gadolinium."""


class Effect(Drawn):
    """Numbers of one effect, which calling the instance applies to a scene.

    Every number says what it is drawn from; ``seed`` is that of all random fields of the effect.
    """

    def __call__(self, scene: Scene) -> None:
        """Change the image and the enhancement of `scene`, always in the same way."""
        self._apply(scene)

    def _apply(self, scene: Scene) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Patchy:
    """Where an effect shows at all (soft patches), and how its amount wavers.

    Attributes
    ----------
    amount
        Mean enhancement, in units of white matter.
    waver
        Relative standard deviation of the amount.
    waver_spacing
        Spacing in voxels of the noise by which the amount wavers.
    level
        Threshold of the patches; None: everywhere.
    patch_spacing
        Spacing in voxels of the noise whose high values the patches are.
    seed
        Seed of both noises.
    """

    amount: float
    waver: float
    waver_spacing: float
    level: float | None
    patch_spacing: float
    seed: int

    def spread(self, share: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Return the voxels' share after the patches, and the amount in each voxel."""
        random = generator(self.seed, share.device)
        if self.level is not None:
            share = share * patches(share.shape, self.patch_spacing, self.level, 4, random)
        if not self.waver:
            return share, self.amount
        noise = smooth_noise(share.shape, self.waver_spacing, random)
        return share, (self.amount * (1 + self.waver * noise)).clamp_min(0)

    def enhance(
        self, scene: Scene, share: torch.Tensor, unenhanced: torch.Tensor | float | None = None
    ) -> None:
        """Let the voxels' share take it up; `unenhanced` is their own intensity before."""
        share, amount = self.spread(share)
        if unenhanced is not None:
            scene.paint(share, unenhanced)
        scene.enhance(share, amount)

    def paint(self, scene: Scene, share: torch.Tensor) -> None:
        """Paint the voxels' share with it: an intensity, and no gadolinium."""
        scene.paint(*self.spread(share))


@dataclass(frozen=True)
class Uptake(Span):
    """Amounts from `low` to `high`, in patches with probability `patchy`."""

    patchy: float

    def draw(self, rng: np.random.Generator, contrast: Any) -> Patchy:
        """Draw a :class:`Patchy`."""
        return Patchy(
            amount=rng.uniform(self.low, self.high),
            waver=rng.uniform(0.05, 0.3) if rng.random() < 0.7 else 0.0,
            waver_spacing=rng.uniform(3, 12),
            level=rng.uniform(-0.8, 1.5) if rng.random() < self.patchy else None,
            patch_spacing=rng.uniform(6, 22),
            seed=int(rng.integers(2**31)),
        )


def uneven(low: float, high: float, patchy: float) -> Any:
    """Declare an uneven amount, see :class:`Uptake`."""
    return drawn(Uptake(low, high, patchy))


@dataclass(frozen=True)
class Blob:
    """A bumpy ellipsoid: where a lesion lies.

    Attributes
    ----------
    centre
        Position as a fraction (0..1) of each axis.
    stretch
        Factor on the distances along each axis.
    radius
        Mean radius in mm.
    bumps
        Standard deviation of the rim's position, as a fraction of the radius.
    seed
        Seed of the bumps.
    """

    centre: tuple[float, float, float]
    stretch: tuple[float, float, float]
    radius: float
    bumps: float
    seed: int

    @contextmanager
    def around(self, scene: Scene, margin: float) -> Iterator[tuple[Scene, torch.Tensor]]:
        """Give the box that holds the blob and `margin` mm around it, and distances in it.

        Yields
        ------
        part
            Box of the scene, which is changed with it.
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


@dataclass(frozen=True)
class Blobs(Span):
    """Blobs with radii from `low` to `high` mm, each axis up to ``1 + stretch`` times shorter."""

    bumps: tuple[float, float] = (0.25, 0.25)
    stretch: float = 0.4

    def draw(self, rng: np.random.Generator, contrast: Any) -> Blob:
        """Draw a :class:`Blob`."""
        first, last = self.bumps
        bumps = first if first == last else rng.uniform(first, last)
        return Blob(
            centre=tuple(rng.uniform(0.12, 0.88, 3).tolist()),
            stretch=tuple(rng.uniform(1 / (1 + self.stretch), 1 + self.stretch, 3).tolist()),
            radius=rng.uniform(self.low, self.high),
            bumps=bumps,
            seed=int(rng.integers(2**31)),
        )
