"""What a scan does to an image: steps from the coil to the stored slices.

A step is a frozen dataclass of numbers. ``sample(rng, quality)`` draws them, or returns None when
the image does not show the step; calling the instance applies it to the stacked image and
enhancement (2 x D x H x W). Most are linear, so that their difference is the image that the scanner
would have made without gadolinium: same noise, blur, field and motion. Its ranges are those of a
:class:`Quality`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from clinica_t1nce.simulation.fields import blur, generator, sliced, smooth_noise, soft_step


@dataclass(frozen=True)
class Quality:
    """Ranges of what a scanner does to an image, and fractions of images that show it.

    Attributes
    ----------
    blur
        Standard deviation of the point spread in voxels, drawn for each axis.
    noise
        Standard deviation of the noise, white matter = 1.
    bias
        Standard deviation of the coil's log sensitivity.
    thick, motion, ghosts, wrap
        Fractions of images with thick slices, motion, ghosts and wrap-around.
    thickness
        Thickness of thick slices in mm.
    movement
        Largest rotation in degrees, and translation in mm, between two parts of an acquisition.
    contrast
        Factor on all differences between tissues.
    """

    blur: tuple[float, float] = (0.45, 1.0)
    noise: tuple[float, float] = (0.005, 0.05)
    bias: tuple[float, float] = (0.0, 0.2)
    thick: float = 0.25
    thickness: tuple[float, float] = (1.2, 6.0)
    motion: float = 0.06
    movement: float = 2.5
    ghosts: float = 0.06
    wrap: float = 0.03
    contrast: tuple[float, float] = (1.0, 1.0)


VARIED = Quality()
"""As images of a hospital come: most are good, some are not. What weights are trained on."""

LOW = Quality(
    blur=(0.6, 1.6),
    noise=(0.04, 0.14),
    bias=(0.1, 0.3),
    thick=0.5,
    thickness=(2.0, 6.0),
    motion=0.7,
    movement=5.0,
    ghosts=0.4,
    wrap=0.1,
    contrast=(0.45, 0.85),
)
"""Bad contrast, motion and noise: the stratum that Bottani et al. (2024) call Test_low."""


class Step:
    """Numbers of one step of a scan."""

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """Return stacked image and enhancement, 2 x D x H x W, as the step leaves them."""
        return self._apply(pair)

    def _apply(self, pair: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class BiasField(Step):
    """Sensitivity of the coil, smooth: up to 20 % standard deviation of its log."""

    size: float
    spacing: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "BiasField":
        """Draw; t1-linear has run N4, so that what is left is mild."""
        return cls(rng.uniform(*quality.bias), rng.uniform(30, 70), int(rng.integers(2**31)))

    def _apply(self, pair: torch.Tensor) -> torch.Tensor:
        random = generator(self.seed, pair.device)
        return pair * torch.exp(self.size * smooth_noise(pair.shape[1:], self.spacing, random))


@dataclass(frozen=True)
class PointSpread(Step):
    """Blur of scan and of t1-linear's resampling: a Gaussian, widths in voxels for each axis."""

    sigmas: tuple[float, float, float]

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "PointSpread":
        """Draw one width an axis."""
        first, second, third = (rng.uniform(*quality.blur) for _ in range(3))
        return cls((first, second, third))

    def _apply(self, pair: torch.Tensor) -> torch.Tensor:
        return blur(pair, self.sigmas)


@dataclass(frozen=True)
class Move:
    """A small rigid motion about the middle of the grid: degrees and voxels."""

    degrees: tuple[float, float, float]
    shift: tuple[float, float, float]

    @classmethod
    def sample(cls, rng: np.random.Generator, largest: float) -> "Move":
        """Draw each angle and shift up to `largest` degrees and voxels."""
        a, b, c, x, y, z = rng.uniform(-largest, largest, 6).tolist()
        return cls((a, b, c), (x, y, z))

    def __call__(self, volumes: torch.Tensor) -> torch.Tensor:
        """Apply to C x D x H x W; the border goes on outside."""
        shape = torch.tensor(volumes.shape[1:], dtype=torch.float64)
        half = (shape - 1) / 2
        matrix = torch.eye(3, dtype=torch.float64)
        for (first, second), angle in zip(((1, 2), (0, 2), (0, 1)), self.degrees, strict=True):
            radians = torch.tensor(angle, dtype=torch.float64).deg2rad()
            turn = torch.eye(3, dtype=torch.float64)
            turn[first, first] = turn[second, second] = radians.cos()
            turn[first, second], turn[second, first] = -radians.sin(), radians.sin()
            matrix = matrix @ turn
        # From normalised coordinates, in which F.grid_sample counts, and in its order x, y, z.
        scaled = torch.diag(1 / half) @ matrix @ torch.diag(half)
        offset = torch.tensor(self.shift, dtype=torch.float64) / half
        theta = torch.cat([scaled.flip(0, 1), offset.flip(0)[:, None]], 1).float()
        grid = F.affine_grid(
            theta[None].to(volumes.device), [1, 1, *volumes.shape[1:]], align_corners=True
        )
        return F.grid_sample(volumes[None], grid, padding_mode="border", align_corners=True)[0]


@dataclass(frozen=True)
class Misregistration:
    """Motion between two scans that registration leaves: up to a degree and a millimetre."""

    move: Move

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Misregistration":
        """Draw; most are far smaller than the largest."""
        return cls(Move.sample(rng, rng.uniform(0, 1) ** 2))

    def __call__(self, volumes: torch.Tensor) -> torch.Tensor:
        """Apply to C x D x H x W."""
        return self.move(volumes)


@dataclass(frozen=True)
class Motion(Step):
    """Motion of the head: parts of k-space come from other positions (Shaw et al., MIDL 2019).

    Parts follow each other along one phase-encoding axis, so that a Fourier transform along that
    axis is all that is needed. The part that holds the middle of k-space is unmoved: the image
    stays where the labels are.

    Attributes
    ----------
    axis
        Phase-encoding axis.
    moves
        Positions of the head in the other parts.
    bounds
        Positions in k-space at which one part ends and the next begins, from -1 to 1, its edges.
    """

    axis: int
    moves: tuple[Move, ...]
    bounds: tuple[float, ...]

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "Motion | None":
        """Draw one to three moves."""
        if rng.random() >= quality.motion:
            return None
        count = int(rng.integers(1, 4))
        return cls(
            axis=int(rng.integers(3)),
            moves=tuple(Move.sample(rng, quality.movement) for _ in range(count)),
            bounds=tuple(np.sort(rng.uniform(-1, 1, count)).tolist()),
        )

    def _apply(self, pair: torch.Tensor) -> torch.Tensor:
        axis = self.axis + 1
        frequency = 2 * torch.fft.fftfreq(pair.shape[axis], device=pair.device)
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        part_of = torch.zeros_like(frequency, dtype=torch.int64)
        for bound in self.bounds:
            part_of += frequency >= bound
        # Numbered by their distance from the part that holds the middle.
        part_of = (part_of - part_of[0]).remainder(len(self.bounds) + 1).view(shape)
        spectrum = torch.fft.fft(pair, dim=axis) * (part_of == 0)
        for number, move in enumerate(self.moves, 1):
            spectrum += torch.fft.fft(move(pair), dim=axis) * (part_of == number)
        moved = torch.fft.ifft(spectrum, dim=axis).real
        return torch.stack([moved[0].abs(), moved[1]])


@dataclass(frozen=True)
class Ghosts(Step):
    """Ghosts of the whole head: faint shifted copies, from breathing and steps between echoes.

    Attributes
    ----------
    axis
        Phase-encoding axis.
    copies
        Shift of each copy in fractions of the field of view, and its weight.
    """

    axis: int
    copies: tuple[tuple[float, float], ...]

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "Ghosts | None":
        """Draw one shift and its opposite, perhaps the double; weights of 1 to 10 %."""
        if rng.random() >= quality.ghosts:
            return None
        shift, weight = rng.uniform(0.1, 0.5), rng.uniform(0.01, 0.1)
        copies = [(shift, weight), (-shift, weight)]
        if rng.random() < 0.5:
            copies += [(2 * shift, weight / 2), (-2 * shift, weight / 2)]
        return cls(int(rng.integers(3)), tuple(copies))

    def _apply(self, pair: torch.Tensor) -> torch.Tensor:
        out = pair.clone()
        for shift, weight in self.copies:
            voxels = round(shift * pair.shape[self.axis + 1])
            out += weight * pair.roll(voxels, self.axis + 1)
        return out


@dataclass(frozen=True)
class Wrap(Step):
    """A field of view smaller than the head: what lies beyond one edge is seen at the other.

    Attributes
    ----------
    axis
        Phase-encoding axis.
    share
        Fraction of the field of view that is folded over, negative: at its far end.
    weight
        Sensitivity of the coil to it.
    """

    axis: int
    share: float
    weight: float

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "Wrap | None":
        """Draw; up to a quarter of the field of view, weakened by the coil."""
        if rng.random() >= quality.wrap:
            return None
        share = rng.uniform(0.05, 0.25) * rng.choice([-1, 1])
        return cls(int(rng.integers(3)), float(share), rng.uniform(0.2, 0.9))

    def _apply(self, pair: torch.Tensor) -> torch.Tensor:
        n = pair.shape[self.axis + 1]
        width = abs(self.share) * n
        shape = [1, 1, 1, 1]
        shape[self.axis + 1] = -1
        from_edge = torch.arange(n, device=pair.device).float()
        if self.share < 0:
            from_edge = from_edge.flip(0)
        band = soft_step(width - from_edge, 0.5).view(shape)
        voxels = round(width) if self.share > 0 else -round(width)
        return pair + self.weight * band * pair.roll(voxels, self.axis + 1)


@dataclass(frozen=True)
class Noise(Step):
    """Noise of the receiver, the same with gadolinium as without.

    Attributes
    ----------
    size
        Standard deviation of the noise, white matter = 1.
    smoothness
        Width in voxels of the filter that correlated the noise, 0: none.
    rician
        Whether the image is a magnitude (Gudbjartsson and Patz, Magn Reson Med 1995): dark parts
        are lifted. Coils combined otherwise, and corrected images, have Gaussian noise.
    """

    size: float
    smoothness: float
    rician: bool
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "Noise":
        """Draw; resampling has correlated the noise of half of the images."""
        smoothness = rng.uniform(0.4, 0.9) if rng.random() < 0.5 else 0.0
        rician = bool(rng.random() < 0.5)
        return cls(rng.uniform(*quality.noise), smoothness, rician, int(rng.integers(2**31)))

    def _apply(self, pair: torch.Tensor) -> torch.Tensor:
        image, enhancement = pair
        real = image + self._noise(pair, 0)
        if not self.rician:
            return torch.stack([real, enhancement])
        imaginary = self._noise(pair, 1)
        without = torch.hypot(real, imaginary)
        return torch.stack([without, torch.hypot(real + enhancement, imaginary) - without])

    def _noise(self, pair: torch.Tensor, part: int) -> torch.Tensor:
        random = generator(self.seed + part, pair.device)
        noise = torch.randn(pair.shape[1:], generator=random, device=pair.device)
        return self.size * (1 + 1.5 * self.smoothness) * blur(noise, (self.smoothness,) * 3)


@dataclass(frozen=True)
class ThickSlices(Step):
    """Slices thicker than the grid, interpolated back to 1 mm, and noise that came after that."""

    axis: int
    thickness: float
    noise: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "ThickSlices | None":
        """Draw."""
        if rng.random() >= quality.thick:
            return None
        noise = rng.uniform(0, 0.02) if rng.random() < 0.7 else 0.0
        seed = int(rng.integers(2**31))
        return cls(int(rng.integers(3)), rng.uniform(*quality.thickness), noise, seed)

    def _apply(self, pair: torch.Tensor) -> torch.Tensor:
        shape = pair.shape[1:]
        pair = sliced(pair, self.axis, self.thickness)
        random = generator(self.seed, pair.device)
        noise = self.noise * torch.randn(shape, generator=random, device=pair.device)
        return torch.stack([pair[0] + noise, pair[1]])


STEPS = (BiasField, PointSpread, Motion, Ghosts, Wrap, Noise, ThickSlices)
"""In the order in which they happen: noise is the receiver's, slices are interpolated at last."""


@dataclass(frozen=True)
class Acquisition:
    """The steps of one scan, and its gain."""

    steps: tuple[Step, ...]
    scale: float

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality) -> "Acquisition":
        """Draw; white matter comes out at 0.8 to 1.25, as the input's scaling leaves it."""
        drawn = [step.sample(rng, quality) for step in STEPS]
        return cls(tuple(step for step in drawn if step is not None), rng.uniform(0.8, 1.25))

    def __call__(self, image: torch.Tensor, enhancement: torch.Tensor) -> torch.Tensor:
        """Return image and enhancement as stored, 2 x D x H x W; the enhancement is 0 or more."""
        pair = torch.stack([image, enhancement])
        for step in self.steps:
            pair = step(pair)
        # Ringing of moved parts would take away, which gadolinium does not.
        pair[1].clamp_min_(0)
        return pair * self.scale
