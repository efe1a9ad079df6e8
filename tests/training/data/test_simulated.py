"""Patches of simulated pairs."""

import pytest
import torch

from clinica_t1nce.training.data import simulated


def test_white_matter_is_levelled_and_vessels_are_not() -> None:
    t1nce = torch.full((1, 10, 10, 10), 1.0)
    t1nce[:, :3] = 0.5
    inside = torch.ones(t1nce.shape, dtype=torch.bool)
    inside[..., :2] = False
    t1ce = t1nce * 1.03
    t1ce[:, 5, 5] = 2.0
    levelled = simulated.level(t1ce, t1nce, inside)
    enhancement = t1ce - levelled
    still = inside.clone()
    still[:, 5, 5] = False
    torch.testing.assert_close(enhancement[still], torch.zeros(int(still.sum())))
    assert float(enhancement[0, 5, 5, 5]) == pytest.approx(0.97)
    torch.testing.assert_close(levelled[~inside], t1nce[~inside])
    # Nothing to level, too little white matter.
    torch.testing.assert_close(simulated.level(t1nce, t1nce, inside), t1nce)
    dark = 0.5 * t1nce
    assert simulated.level(1.03 * dark, dark, inside) is dark
