"""Variety for real pairs: both images change alike, so that they still differ by the enhancement.

Patches get other doses, contrasts, receive fields and scanners; whole volumes go through TorchIO,
which alone of the libraries with volumes in mind simulates motion as a scanner records it, in
k-space.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from clinica_t1nce.simulation import scanner
from clinica_t1nce.simulation.fields import blur, sliced, smooth_noise
from clinica_t1nce.training.data.numbered import Batch

_LOG_GAMMA = 0.15
_KNOTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


@dataclass(frozen=True)
class Variation:
    """Random changes of a patch; fractions are probabilities.

    Attributes
    ----------
    zoomed, zoom_by
        Fraction of patches that are zoomed, and largest logarithm of the zoom.
    dosed, largest_dose
        Fraction of patches, of pairs whose T1nce is sharp, that get another dose: the enhancement
        times a factor up to `largest_dose`.
    remapped
        Fraction whose contrast between tissues is another: a random increasing curve of the T1nce's
        intensity, as another sequence would give.
    gamma, gamma_by
        Fraction with a power of the intensities, and standard deviation of its logarithm.
    field, field_by
        Fraction with another receive field, and standard deviation of its logarithm.
    noise, noise_by
        Fraction with noise added, and its largest standard deviation, white matter = 1.
    blurred, blur_by
        Fraction that is blurred, and range of the standard deviation in voxels.
    thick, thick_by
        Fraction with thick slices along one axis, and range of their thickness in voxels.
    gain_by
        Standard deviation of the logarithm of the gain.
    """

    zoomed: float = 0.5
    zoom_by: float = 0.25
    dosed: float = 0.6
    largest_dose: float = 1.6
    remapped: float = 0.5
    gamma: float = 0.4
    gamma_by: float = 0.15
    field: float = 0.5
    field_by: float = 0.18
    noise: float = 0.4
    noise_by: float = 0.05
    blurred: float = 0.3
    blur_by: tuple[float, float] = (0.3, 0.8)
    thick: float = 0.1
    thick_by: tuple[float, float] = (1.5, 4.0)
    gain_by: float = 0.1

    def zoom(self, rng: np.random.Generator) -> float:
        """Draw the side of what is cut over the side of the patch."""
        if rng.random() >= self.zoomed:
            return 1.0
        return float(np.exp(rng.uniform(-self.zoom_by, self.zoom_by)))

    def __call__(self, batch: Batch, side: int, sharp: bool, rng: np.random.Generator) -> Batch:
        """Change a patch.

        Parameters
        ----------
        batch
            Patch: ``t1ce``, ``t1nce`` and ``mask``, 1 x D x H x W.
        side
            Side that the patch is brought to, voxels.
        sharp
            Whether the T1nce is as sharp as the T1ce.
        rng
            Random generator.

        Returns
        -------
        dict
            The same keys; intensities are 0 or more.
        """
        t1ce, t1nce, mask = _resized_patches([batch["t1ce"], batch["t1nce"], batch["mask"]], side)
        change = t1ce - t1nce
        if sharp and rng.random() < self.dosed:
            change = change * float(rng.uniform(0, self.largest_dose))
        if rng.random() < self.remapped:
            t1nce = _remapped(t1nce, rng)
        # The T1ce is never negative: what would take it below 0 is no change.
        t1nce, t1ce = t1nce.clamp(min=0), (t1nce + change).clamp(min=0)
        if rng.random() < self.gamma:
            power = float(np.exp(rng.normal(0, self.gamma_by)))
            t1ce, t1nce = t1ce**power, t1nce**power
        if rng.random() < self.field:
            field = self._field(t1ce.shape[1:], rng)
            t1ce, t1nce = t1ce * field, t1nce * field
        both = torch.cat([t1ce, t1nce])
        if rng.random() < self.thick:
            both = sliced(both, int(rng.integers(3)), float(rng.uniform(*self.thick_by)))
        elif rng.random() < self.blurred:
            both = blur(both, [float(rng.uniform(*self.blur_by))] * 3)
        if rng.random() < self.noise:
            size = float(rng.uniform(0, self.noise_by))
            # Air of a skull-stripped image stays 0.
            both = both + (both > 0) * size * torch.randn(both.shape[1:], generator=_random(rng))
        both = (both * float(np.exp(rng.normal(0, self.gain_by)))).clamp(min=0)
        if rng.random() < 0.5:
            both, mask = both.flip(1), mask.flip(1)
        return {**batch, "t1ce": both[:1], "t1nce": both[1:], "mask": mask > 0.9}

    def _field(self, shape: Sequence[int], rng: np.random.Generator) -> torch.Tensor:
        return torch.exp(self.field_by * smooth_noise(shape, max(shape) / 2, _random(rng)))


def _resized_patches(volumes: Sequence[torch.Tensor], side: int) -> list[torch.Tensor]:
    stacked = torch.stack([volume.float() for volume in volumes])
    if stacked.shape[-1] != side:
        stacked = F.interpolate(stacked, size=(side,) * 3, mode="trilinear", align_corners=False)
    return list(stacked)


def _remapped(t1nce: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Apply a random increasing, piecewise linear curve that takes 0 to 0 and 1 to about 1."""
    slopes = np.exp(rng.normal(0, 0.35, len(_KNOTS) - 1))
    heights = np.concatenate([[0.0], np.cumsum(slopes * np.diff(_KNOTS))])
    heights = heights / heights[_KNOTS.index(1.0)]
    curve = np.interp(t1nce.numpy(), _KNOTS, heights).astype(np.float32)
    return torch.from_numpy(curve)


def _random(rng: np.random.Generator) -> torch.Generator:
    return torch.Generator().manual_seed(int(rng.integers(2**31)))


class Augmentation:
    """Flip left to right, turn and stretch, bias field, motion, gamma, noise: each at random.

    The two images go through one TorchIO image of two channels, which share what is drawn.
    """

    def __init__(self) -> None:
        import torchio as tio

        self._transform = tio.Compose(
            [
                tio.RandomFlip(axes=(0,), flip_probability=0.5),
                tio.RandomAffine(scales=0.1, degrees=10, translation=5, p=0.75),
                tio.RandomBiasField(coefficients=0.1, p=0.5),
                tio.RandomMotion(degrees=3, translation=3, num_transforms=1, p=0.1),
            ]
        )

    def __call__(self, batch: Batch, seed: int) -> Batch:
        """Change one pair; the same seed changes it in the same way.

        Parameters
        ----------
        batch
            Pair: ``t1ce`` and ``t1nce``, 1 x D x H x W.
        seed
            Seed of all that is drawn.
        """
        both = torch.cat([batch["t1ce"], batch["t1nce"]])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            both = self._transform(both).float()
        rng = np.random.default_rng(seed)
        if rng.random() < 0.5:
            # TorchIO draws a gamma for each channel.
            both = both.clamp(min=0) ** float(np.exp(rng.uniform(-_LOG_GAMMA, _LOG_GAMMA)))
        if rng.random() < 0.5:
            noise = scanner.Noise.sample(rng, scanner.VARIED)
            # It adds noise to the first of the two and leaves their difference alone.
            t1nce, enhancement = noise(torch.stack([both[1], both[0] - both[1]]))
            both = torch.stack([t1nce + enhancement, t1nce])
        return {**batch, "t1ce": both[:1], "t1nce": both[1:]}
