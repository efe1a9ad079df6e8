"""The T1-weighted signal equations, and what gadolinium does to T1.

Times are in ms, rates in 1/s. Echo times are short enough to leave T2* out.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from clinica_t1nce.simulation.ranges import Drawn, Ranges, between, drawn
from clinica_t1nce.simulation.tissues import Tissue

USUAL_BLOOD_RATE = 2.0
"""What 0.1 mmol/kg of a usual agent adds to the relaxation rate of whole blood after 5 minutes."""

_RATES = np.geomspace(0.2, 40, 512)
_INTENSITY_STEP = 1 / 256
_RATE_STEP = 1 / 32


@dataclass(frozen=True)
class Mprage:
    """Inversion, delay, a train of spoiled gradient echoes, recovery; read in the train's middle.

    Attributes
    ----------
    inversion_time
        Time from inversion to the middle of the train.
    repetition_time
        Time from inversion to inversion.
    flip_angle
        Flip angle in degrees.
    echo_spacing, echoes
        Time between the echoes of a train, and their number.
    efficiency
        Efficiency of the inversion, 1 is perfect.
    """

    inversion_time: float
    repetition_time: float
    flip_angle: float
    echo_spacing: float
    echoes: int
    efficiency: float
    kind: str = "mprage"

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Mprage":
        """Draw from the usual protocols at both field strengths (ADNI's among them)."""
        echo_spacing = rng.uniform(6, 10)
        echoes = int(rng.integers(96, 177))
        train = echoes * echo_spacing
        inversion_time = max(rng.uniform(650, 1100), train / 2 + 20)
        shortest = inversion_time + train / 2 + 20
        return cls(
            inversion_time=inversion_time,
            repetition_time=max(rng.uniform(1500, 2600), shortest),
            flip_angle=rng.uniform(7, 13),
            echo_spacing=echo_spacing,
            echoes=echoes,
            efficiency=rng.uniform(0.9, 1),
        )

    def signal(self, rates: np.ndarray) -> np.ndarray:
        """Return the signal's magnitude for relaxation rates 1/T1, proton density 1.

        The longitudinal magnetisation at the inversions is the fixed point of one period, an
        affine map (as in Marques et al., NeuroImage 2010, for one readout).
        """
        train = self.echoes * self.echo_spacing
        before = np.exp(-rates * (self.inversion_time - train / 2) / 1000)
        after = np.exp(-rates * (self.repetition_time - self.inversion_time - train / 2) / 1000)
        recovery = np.exp(-rates * self.echo_spacing / 1000)
        kept = math.cos(math.radians(self.flip_angle)) * recovery
        driven = (1 - recovery) / (1 - kept)

        def run(start: np.ndarray | float, echoes: float) -> np.ndarray:
            """Go from just before an inversion to the `echoes`-th echo."""
            ready = 1 - (1 + self.efficiency * start) * before
            return driven + (ready - driven) * kept**echoes

        def period(start: float) -> np.ndarray:
            return 1 - (1 - run(start, self.echoes)) * after

        offset = period(0.0)
        steady = offset / (1 - (period(1.0) - offset))
        return np.abs(run(steady, self.echoes / 2)) * math.sin(math.radians(self.flip_angle))


@dataclass(frozen=True)
class GradientEcho(Drawn):
    """Spoiled gradient echo in its steady state (Ernst), three-dimensional; angle in degrees."""

    repetition_time: float = between(7, 30)
    flip_angle: float = between(15, 40)
    kind: str = "gradient echo"

    def signal(self, rates: np.ndarray) -> np.ndarray:
        """Return the signal for relaxation rates 1/T1, proton density 1."""
        recovery = np.exp(-rates * self.repetition_time / 1000)
        angle = math.radians(self.flip_angle)
        return math.sin(angle) * (1 - recovery) / (1 - math.cos(angle) * recovery)


@dataclass(frozen=True)
class SpinEcho(Drawn):
    """Spin echo of short repetition time, still the rule for thick slices."""

    repetition_time: float = between(400, 750)
    kind: str = "spin echo"

    def signal(self, rates: np.ndarray) -> np.ndarray:
        """Return the signal for relaxation rates 1/T1, proton density 1."""
        return 1 - np.exp(-rates * self.repetition_time / 1000)


@dataclass(frozen=True)
class Doses:
    """Doses in use.

    Attributes
    ----------
    multiples
        Doses that are equally likely, as multiples of the usual 0.1 mmol per kg of body weight.
    spread
        Largest relative departure from them.
    """

    multiples: tuple[float, ...] = (0.5, 1, 1, 1, 1, 1.5, 2)
    spread: float = 0.15

    def draw(self, rng: np.random.Generator, contrast: Any) -> float:
        """Draw a dose in mmol per kg."""
        return 0.1 * rng.choice(self.multiples) * rng.uniform(1 - self.spread, 1 + self.spread)


@dataclass(frozen=True)
class Injection(Drawn):
    """One dose of gadolinium and the time that has passed since.

    r1 of 3.5 to 6 covers the agents in use at 1.5 T and 3 T (Rohrer et al., 2005).

    Attributes
    ----------
    dose
        Dose in mmol per kg of body weight; 0.1 is usual.
    minutes
        Time from injection to the middle of the acquisition.
    relaxivity
        r1 of the agent in blood, l/(mmol s).
    haematocrit
        Fraction of the blood that is cells, which gadolinium does not enter.
    """

    dose: float = drawn(Doses())
    minutes: float = between(1, 15)
    relaxivity: float = between(3.5, 6)
    haematocrit: float = between(0.36, 0.46)

    @property
    def blood_rate(self) -> float:
        """Return what gadolinium adds to the relaxation rate of whole blood.

        Plasma falls bi-exponentially (Weinmann et al., 1984; constants of Tofts and Kermode,
        Magn Reson Med 1991).
        """
        plasma = self.dose * (
            3.99 * math.exp(-0.144 * self.minutes) + 4.78 * math.exp(-0.0111 * self.minutes)
        )
        return self.relaxivity * (1 - self.haematocrit) * plasma


@dataclass(frozen=True)
class Relaxation:
    """One acquisition after one injection.

    Attributes
    ----------
    white_matter
        Signal of white matter, which is 1 in the image.
    density
        Proton density that image intensities are read with: that of gray matter.
    """

    sequence: Mprage | GradientEcho | SpinEcho
    injection: Injection
    white_matter: float
    density: float = 0.82

    def enhancement(self, image: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
        """Turn amounts of gadolinium into what they add to the image.

        The intensity of a voxel gives the T1 that it must have had; gadolinium shortens that T1
        (1/T1 = 1/T1₀ + r₁C), and the signal equation gives the new intensity. So bright fat or
        inflow hardly enhances, and strong uptake saturates.

        Parameters
        ----------
        image
            Image before gadolinium, D x H x W, white matter = 1.
        amount
            Amounts as effects give them, D x H x W: what gray matter would gain after the usual
            dose if signal grew linearly with concentration.

        Returns
        -------
        torch.Tensor
            Enhancement, D x H x W, 0 or more, white matter = 1.
        """
        rate_of, signal_of = (table.to(image.device) for table in self._tables)
        rate_of_amount = self.injection.blood_rate / USUAL_BLOOD_RATE / self.steepness
        index = (image / _INTENSITY_STEP).clamp_(0, len(rate_of) - 1)
        before = rate_of[index.to(torch.int32)]
        after = before + rate_of_amount * amount
        return (_look_up(signal_of, after) - _look_up(signal_of, before)).clamp_min_(0)

    @property
    def steepness(self) -> float:
        """Return how much gray matter's signal rises with its relaxation rate, in s."""
        gray = Tissue.CORTEX
        rates = 1000 / (sum(gray.relaxation[:2]) / 2) + np.array([0.0, 0.05])
        low, high = self.sequence.signal(rates) * self.density / self.white_matter
        return float(high - low) / 0.05

    @cached_property
    def _tables(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Rate by intensity, and intensity by rate, each in equal steps from 0."""
        signal = self.sequence.signal(_RATES) * self.density / self.white_matter
        # Below the null of an inversion recovery the magnitude rises again.
        start = int(np.argmin(signal[: len(signal) // 2]))
        rates, signal = _RATES[start:], np.maximum.accumulate(signal[start:])
        intensities = np.arange(0, 3, _INTENSITY_STEP)
        rate_of = np.interp(intensities, signal + 1e-9 * np.arange(len(signal)), rates)
        signal_of = np.interp(np.arange(0, rates[-1], _RATE_STEP), rates, signal)
        return torch.tensor(rate_of).float(), torch.tensor(signal_of).float()


def _look_up(signal_of: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    position = (rate / _RATE_STEP).clamp_(0, len(signal_of) - 1.001)
    index = position.to(torch.int32)
    low = signal_of[index]
    return low + (position - index) * (signal_of[index + 1] - low)


def sample_relaxation(
    rng: np.random.Generator, injection: Ranges[Injection] | None = None
) -> tuple[Relaxation, dict[Tissue, float]]:
    """Draw an acquisition and the intensity of each tissue in it before gadolinium.

    Parameters
    ----------
    rng
        Random generator.
    injection
        Ranges of the injection; None: its own.

    Returns
    -------
    relaxation
        Sequence and injection.
    means
        Intensities, white matter = 1, background left out.
    """
    kinds = (Mprage, Mprage, GradientEcho, SpinEcho)
    sequence = kinds[int(rng.integers(len(kinds)))].sample(rng)
    at_three_tesla = int(rng.random() < 0.5)
    common = rng.normal(1, 0.05)
    signals = {}
    for tissue in Tissue:
        if tissue is Tissue.BACKGROUND:
            continue
        *times, density = tissue.relaxation
        t1 = times[at_three_tesla] * common * np.clip(rng.normal(1, 0.06), 0.8, 1.2)
        signal = sequence.signal(np.array([1000 / t1]))[0]
        signals[tissue] = float(signal * density * np.clip(rng.normal(1, 0.02), 0.9, 1.1))
    white = signals[Tissue.WHITE_MATTER]
    relaxation = Relaxation(sequence, (injection or Injection.ranges()).draw(rng), white)
    return relaxation, {tissue: signal / white for tissue, signal in signals.items()}
