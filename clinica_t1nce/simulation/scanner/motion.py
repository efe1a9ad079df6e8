"""A head that does not lie still."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.scanner.misregistration import Move
from clinica_t1nce.simulation.scanner.quality import Quality


@dataclass(frozen=True)
class Motion:
    """Parts of k-space come from the head in other positions (Shaw et al., MIDL 2019).

    Parts follow each other along one phase-encoding axis, so that a Fourier transform along that
    axis is all that is needed. The part that holds the middle of k-space is unmoved: the image
    stays where the labels are.

    Attributes
    ----------
    axis
        Phase-encoding axis.
    moves
        Of the other parts.
    bounds
        Where in k-space one part ends and the next begins, from -1 to 1, its edges.
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

    def __call__(self, pair: torch.Tensor) -> torch.Tensor:
        """Apply to 2 x D x H x W."""
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
