import pytest
import torch

from clinica_t1nce.synthesis.decode import decode, fade_small, guide

QUANTILES = (0.25, 0.5, 0.75)


def volume(*values):
    """N = 1, one channel, voxels along the last axis."""
    return torch.tensor(values)[None, None, None, None]


def three(lower, middle, upper):
    return torch.cat([volume(*lower), volume(*middle), volume(*upper)], 1)


class TestChange:
    def test_lies_between_nothing_and_the_whole_voxel(self):
        found = decode(volume(-1.0, 0.3, 5.0, 0.3), volume(1.0, 1.0, 2.0, -0.5), "change")
        torch.testing.assert_close(found.change, volume(0.0, 0.3, 2.0, 0.0))
        assert found.half_range is None

    @pytest.mark.parametrize(
        ("quantile", "expected"), [(0.1, 0.1), (0.25, 0.1), (0.5, 0.2), (0.6, 0.28), (0.9, 0.4)]
    )
    def test_quantile_is_interpolated(self, quantile, expected):
        out = three([0.1], [0.2], [0.4])
        found = decode(out, volume(1.0), "change", QUANTILES, quantile)
        torch.testing.assert_close(found.change, volume(expected))

    def test_range_is_that_of_the_bounded_outer_quantiles(self):
        out = three([-1.0, 0.5], [0.0, 0.4], [0.5, 0.3])
        found = decode(out, volume(0.2, 1.0), "change", QUANTILES)
        assert found.half_range is not None
        # At most 0.2 can be taken away; quantiles that cross span nothing.
        torch.testing.assert_close(found.half_range, volume(0.1, 0.0))

    def test_gradient_flows_within_the_bounds(self):
        out = volume(-1.0, 0.3, 5.0).requires_grad_()
        decode(out, volume(1.0, 1.0, 2.0), "change").change.sum().backward()
        assert out.grad is not None
        torch.testing.assert_close(out.grad, volume(0.0, 1.0, 0.0))


def test_an_image_is_taken_as_it_is():
    found = decode(volume(0.4, 1.5), volume(1.0, 1.0), "image")
    torch.testing.assert_close(found.change, volume(0.6, -0.5))
    assert found.half_range is None


def test_small_changes_are_left_out_and_large_ones_whole():
    change = torch.tensor([0.0, 0.01, 0.02, 0.035, 0.05, 0.4, -0.3])
    found = fade_small(change, (0.02, 0.05))
    torch.testing.assert_close(found, torch.tensor([0, 0, 0, 0.0175, 0.05, 0.4, -0.3]))
    assert fade_small(change, (0.0, 0.0)) is change


@pytest.fixture
def vessel() -> tuple[torch.Tensor, torch.Tensor]:
    """Return an image of a bright line in gray matter, and the line's enhancement."""
    enhancement = torch.zeros(1, 1, 16, 16, 16)
    enhancement[..., 8, 8] = 0.8
    return 0.6 + enhancement, enhancement


def test_no_change_stays_none(vessel: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert not guide(torch.zeros_like(vessel[0]), vessel[0]).any()


def test_a_change_that_fits_stays(vessel: tuple[torch.Tensor, torch.Tensor]) -> None:
    image, enhancement = vessel
    assert torch.allclose(guide(enhancement, image), enhancement, atol=0.03)


def test_speckle_goes_and_edges_stay() -> None:
    torch.manual_seed(0)
    step = torch.zeros(1, 1, 16, 16, 16)
    step[:, :, 8:] = 0.5
    image = 0.6 + 1.5 * step
    speckled = step + 0.05 * torch.randn_like(step)
    found = guide(speckled, image)
    before, after = ((c - step).abs().mean() for c in (speckled, found))
    assert after < 0.6 * before
    across = found[0, 0, 7:9].mean((1, 2))
    assert float(across[1] - across[0]) == pytest.approx(0.5, abs=0.03)


def test_it_stays_between_zero_and_the_image() -> None:
    torch.manual_seed(0)
    image, change = torch.rand(2, 1, 1, 9, 10, 11)
    found = guide(3 * change, image)
    assert found.shape == image.shape
    assert found.min() >= 0
    assert (found <= image).all()
