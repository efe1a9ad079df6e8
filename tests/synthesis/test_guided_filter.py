import pytest
import torch

from clinica_t1nce.synthesis import guided_filter


@pytest.fixture
def vessel() -> tuple[torch.Tensor, torch.Tensor]:
    """Return an image of a bright line in gray matter, and the line's enhancement."""
    enhancement = torch.zeros(1, 1, 16, 16, 16)
    enhancement[..., 8, 8] = 0.8
    return 0.6 + enhancement, enhancement


def test_no_change_stays_none(vessel: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert not guided_filter.guide(torch.zeros_like(vessel[0]), vessel[0]).any()


def test_a_change_that_fits_stays(vessel: tuple[torch.Tensor, torch.Tensor]) -> None:
    image, enhancement = vessel
    assert torch.allclose(guided_filter.guide(enhancement, image), enhancement, atol=0.03)


def test_speckle_goes_and_edges_stay() -> None:
    torch.manual_seed(0)
    step = torch.zeros(1, 1, 16, 16, 16)
    step[:, :, 8:] = 0.5
    image = 0.6 + 1.5 * step
    speckled = step + 0.05 * torch.randn_like(step)
    found = guided_filter.guide(speckled, image)
    before, after = ((c - step).abs().mean() for c in (speckled, found))
    assert after < 0.6 * before
    across = found[0, 0, 7:9].mean((1, 2))
    assert float(across[1] - across[0]) == pytest.approx(0.5, abs=0.03)


def test_it_stays_between_zero_and_the_image() -> None:
    torch.manual_seed(0)
    image, change = torch.rand(2, 1, 1, 9, 10, 11)
    found = guided_filter.guide(3 * change, image)
    assert found.shape == image.shape
    assert found.min() >= 0
    assert (found <= image).all()


def test_windows_are_means_with_the_border_repeated() -> None:
    x = torch.zeros(1, 1, 3, 3, 3)
    x[0, 0, 0, 0, 0] = 27.0
    assert guided_filter._mean(x)[0, 0, 1, 1, 1] == pytest.approx(1)
    assert guided_filter._mean(x)[0, 0, 0, 0, 0] == pytest.approx(8)
