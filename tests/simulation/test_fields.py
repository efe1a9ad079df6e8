import pytest
import torch

from clinica_t1nce.simulation.fields import (
    blur,
    distance_to_zero,
    generator,
    patches,
    smooth_noise,
    soft_step,
)


@pytest.mark.parametrize("spacing", [1.5, 4.0, 11.3])
def test_noise_is_standard_and_as_smooth_as_asked(spacing: float) -> None:
    fields = smooth_noise((40, 36, 44), spacing, generator(0), channels=24)
    assert fields.shape == (24, 40, 36, 44)
    assert float(fields.mean()) == pytest.approx(0, abs=0.15)
    assert float(fields.std()) == pytest.approx(1, abs=0.1)
    step = float((fields[:, 1:] - fields[:, :-1]).std())
    assert step == pytest.approx(1 / spacing, rel=0.35)


def test_noise_follows_its_seed() -> None:
    first, again, other = (smooth_noise((8, 8, 8), 3, generator(s)) for s in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_patches_stay_between_0_and_1() -> None:
    field = patches((16, 16, 16), 4, 0.0, 4, generator(1))
    assert 0 <= float(field.min()) < 0.3 < 0.7 < float(field.max()) <= 1


def test_distance_to_zero_is_in_voxels() -> None:
    x = torch.arange(20.0).view(20, 1, 1).expand(20, 6, 6)
    distance = distance_to_zero(3 * (x - 9.5))
    assert torch.allclose(distance[:, 3, 3], x[:, 3, 3] - 9.5, atol=1e-3)


def test_soft_step_rises_at_zero() -> None:
    values = soft_step(torch.tensor([-5.0, 0.0, 5.0]), 0.5)
    assert torch.allclose(values, torch.tensor([0.0, 0.5, 1.0]), atol=1e-3)


def test_blur_keeps_the_mean_and_spreads_by_sigma() -> None:
    point = torch.zeros(1, 21, 21, 21)
    point[0, 10, 10, 10] = 1
    spread = blur(point, (2.0, 0.0, 1.0))
    assert float(spread.sum()) == pytest.approx(1, abs=1e-4)
    offsets = torch.arange(21.0) - 10
    for axis, sigma in ((1, 2.0), (2, 0.0), (3, 1.0)):
        profile = spread.sum(dim=[a for a in (0, 1, 2, 3) if a != axis])
        variance = float((profile * offsets**2).sum())
        assert variance**0.5 == pytest.approx(sigma, abs=0.2)
