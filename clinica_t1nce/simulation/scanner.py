"""From a scene to what a scanner would have stored, for the image and the enhancement alike.

Both go through the same linear steps, so that their difference is the image that the scanner
would have made without gadolinium: same noise, blur, field and mask.
"""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.fields import blur, generator, smooth_noise, stretch
from clinica_t1nce.simulation.scene import Scene


@dataclass(frozen=True)
class BiasField:
    """The coil's sensitivity: smooth, multiplicative, up to 20 % standard deviation of its log."""

    size: float
    spacing: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "BiasField":
        """Draw; t1-linear has run N4, so that what is left is mild."""
        return cls(rng.uniform(0, 0.2), rng.uniform(30, 70), int(rng.integers(2**31)))

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """Apply to 2 x D x H x W."""
        random = generator(self.seed, pair.device)
        return pair * torch.exp(self.size * smooth_noise(pair.shape[1:], self.spacing, random))


@dataclass(frozen=True)
class PointSpread:
    """Blur of the acquisition and of t1-linear's resampling: 0.3 to 1 voxel."""

    sigmas: tuple[float, float, float]

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "PointSpread":
        """Draw one width an axis."""
        return cls(tuple(rng.uniform(0.3, 1.0, 3).tolist()))

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """Apply to 2 x D x H x W."""
        return blur(pair, self.sigmas)


@dataclass(frozen=True)
class Noise:
    """Noise of the image (not of the enhancement): 0.5 to 5 % of white matter, or smoothed."""

    size: float
    smoothness: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Noise":
        """Draw; resampling has correlated the noise of half of the images."""
        smoothness = rng.uniform(0.4, 0.9) if rng.random() < 0.5 else 0.0
        return cls(rng.uniform(0.005, 0.05), smoothness, int(rng.integers(2**31)))

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """Apply to 2 x D x H x W."""
        random = generator(self.seed, pair.device)
        noise = torch.randn(pair.shape[1:], generator=random, device=pair.device)
        noise = blur(noise, (self.smoothness,) * 3) * (1 + 1.5 * self.smoothness)
        return torch.stack([pair[0] + self.size * noise, pair[1]])


@dataclass(frozen=True)
class ThickSlices:
    """Slices of 1.5 to 5 mm along one axis, interpolated back to 1 mm."""

    axis: int
    thickness: float
    noise: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "ThickSlices | None":
        """Draw; one image of five."""
        if rng.random() < 0.8:
            return None
        noise = rng.uniform(0, 0.02) if rng.random() < 0.7 else 0.0
        seed = int(rng.integers(2**31))
        return cls(int(rng.integers(3)), rng.uniform(1.5, 5), noise, seed)

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """Apply to 2 x D x H x W."""
        shape = pair.shape[1:]
        sigmas = [0.0, 0.0, 0.0]
        sigmas[self.axis] = 0.42 * self.thickness
        sliced = list(shape)
        sliced[self.axis] = max(4, int(shape[self.axis] / self.thickness))
        pair = stretch(stretch(blur(pair, sigmas), sliced), shape)
        random = generator(self.seed, pair.device)
        noise = self.noise * torch.randn(shape, generator=random, device=pair.device)
        return torch.stack([pair[0] + noise, pair[1]])


@dataclass(frozen=True)
class Stripping:
    """The edge of a brain mask: at the skull, at the cortex, or a wavy mix; None keeps the head.

    Attributes
    ----------
    depth
        Keep what lies deeper than this inside the cavity (mm), or None.
    margin
        Keep what lies closer than this to the brain (mm), or None.
    """

    depth: float | None
    margin: float | None
    waviness: float
    waviness_spacing: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Stripping | None":
        """Draw; nine images of ten are stripped."""
        if rng.random() < 0.1:
            return None
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
        keep = torch.ones_like(scene.depth, dtype=torch.bool)
        if self.depth is not None:
            keep &= scene.depth > self.depth + wave
        if self.margin is not None:
            keep &= scene.outside_tissue < self.margin + wave
        return keep
