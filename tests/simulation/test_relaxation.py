from dataclasses import replace

import numpy as np
import pytest
import torch

from clinica_t1nce.simulation.relaxation import (
    USUAL_BLOOD_RATE,
    GradientEcho,
    Injection,
    Mprage,
    Relaxation,
    SpinEcho,
    sample_relaxation,
)
from clinica_t1nce.simulation.tissues import Tissue

MPRAGE = Mprage(900, 2300, 9, 8, 160, 1.0)
USUAL = Injection(dose=0.1, minutes=5, relaxivity=5.0, haematocrit=0.4)


def bloch(sequence: Mprage, t1: float) -> float:
    """Follow the magnetisation pulse by pulse until it repeats itself."""
    train = sequence.echoes * sequence.echo_spacing
    m = 1.0
    for _ in range(20):
        m = -sequence.efficiency * m
        m = 1 - (1 - m) * np.exp(-(sequence.inversion_time - train / 2) / t1)
        for echo in range(sequence.echoes):
            if echo == sequence.echoes // 2:
                signal = abs(m) * np.sin(np.deg2rad(sequence.flip_angle))
            m *= np.cos(np.deg2rad(sequence.flip_angle))
            m = 1 - (1 - m) * np.exp(-sequence.echo_spacing / t1)
        rest = sequence.repetition_time - sequence.inversion_time - train / 2
        m = 1 - (1 - m) * np.exp(-rest / t1)
    return signal


@pytest.mark.parametrize("t1", [300, 850, 1400, 4000])
@pytest.mark.parametrize("efficiency", [0.9, 1.0])
def test_mprage_is_what_following_the_magnetisation_gives(t1: float, efficiency: float) -> None:
    sequence = replace(MPRAGE, efficiency=efficiency)
    assert sequence.signal(np.array([1000 / t1]))[0] == pytest.approx(bloch(sequence, t1), rel=1e-3)


def test_gradient_echo_is_brightest_at_its_ernst_angle() -> None:
    rate = np.array([1000 / 900])
    ernst = np.rad2deg(np.arccos(np.exp(-rate[0] * 20 / 1000)))
    best, *others = (GradientEcho(20, ernst + step).signal(rate)[0] for step in (0, -3, 3))
    assert best > max(others)


def test_usual_dose_has_the_usual_rate() -> None:
    assert USUAL.blood_rate == pytest.approx(USUAL_BLOOD_RATE, rel=0.1)
    assert replace(USUAL, dose=0.2).blood_rate == pytest.approx(2 * USUAL.blood_rate)
    assert replace(USUAL, minutes=12).blood_rate < USUAL.blood_rate


def of(sequence) -> Relaxation:
    t1, _, density = Tissue.WHITE_MATTER.relaxation
    white = sequence.signal(np.array([1000 / t1]))[0] * density
    return Relaxation(sequence, USUAL, white)


@pytest.mark.parametrize("sequence", [MPRAGE, GradientEcho(20, 28), SpinEcho(550)])
def test_enhancement_saturates_and_spares_what_is_bright(sequence) -> None:
    relaxation = of(sequence)
    image = torch.tensor([0.7]).expand(4)
    faint, usual, strong, huge = relaxation.enhancement(
        image, torch.tensor([0.1, 1.0, 3.0, 30.0])
    ).tolist()
    assert faint == pytest.approx(0.1, rel=0.35)
    assert faint < usual < strong <= huge
    assert strong < 3 * usual
    dark, bright = relaxation.enhancement(torch.tensor([0.5, 1.6]), torch.tensor([0.5, 0.5]))
    assert float(bright) < 0.8 * float(dark)


@pytest.mark.parametrize("seed", range(10))
def test_no_gadolinium_enhances_nothing(seed: int) -> None:
    relaxation, means = sample_relaxation(np.random.default_rng(seed))
    image = torch.tensor(list(means.values())).float()
    assert means[Tissue.WHITE_MATTER] == 1
    assert float(relaxation.enhancement(image, torch.zeros(len(means))).max()) == 0
    assert (relaxation.enhancement(image, torch.full((len(means),), 0.3)) >= 0).all()
