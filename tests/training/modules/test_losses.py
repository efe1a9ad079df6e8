import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

from clinica_t1nce.training.modules import losses
from clinica_t1nce.training.modules.losses import (
    compare_fitted,
    dissimilarity,
    lsgan_loss,
    pinball,
    soft_labels,
)


def test_pinball_by_hand() -> None:
    predicted = torch.tensor([1.0, 1.0, 1.0]).view(1, 3, 1, 1, 1)
    above, below = (torch.full((1, 1, 1, 1, 1), value) for value in (3.0, 0.0))
    quantiles = (0.25, 0.5, 0.75)
    # Errors of 2 above count 2 * 0.25 * 2, 2 * 0.5 * 2, 2 * 0.75 * 2; of 1 below 1.5, 1, 0.5.
    assert float(pinball(predicted, above, quantiles)) == pytest.approx((1 + 2 + 3) / 3)
    assert float(pinball(predicted, below, quantiles)) == pytest.approx((1.5 + 1 + 0.5) / 3)


def test_labels_are_in_their_ranges() -> None:
    real, synthetic = soft_labels(4000, torch.Generator().manual_seed(0))
    assert real.shape == synthetic.shape == (4000, 1)
    assert 0 <= float(real.min()) < 0.01
    assert 0.29 < float(real.max()) <= 0.3
    assert 0.7 <= float(synthetic.min()) < 0.71
    assert 0.99 < float(synthetic.max()) <= 1
    # Uniform: the mean in the middle.
    assert float(real.mean()) == pytest.approx(0.15, abs=0.01)
    assert float(synthetic.mean()) == pytest.approx(0.85, abs=0.01)


def test_least_squares_by_hand() -> None:
    scores = torch.tensor([[0.0, 1.0], [2.0, 0.5]])
    labels = torch.tensor([[0.5], [1.0]])
    assert float(lsgan_loss(scores, labels)) == pytest.approx((0.25 + 0.25 + 1 + 0.25) / 4)
    assert float(lsgan_loss(scores, 0.0)) == pytest.approx((0 + 1 + 4 + 0.25) / 4)


def pair(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    first = torch.rand((2, 1, side, side + 1, side + 2), generator=torch.Generator().manual_seed(0))
    return first, first + 0.3 * first.flip(2)


def test_similarity_is_that_of_other_libraries() -> None:
    x, y = pair(16)
    whole, structure = losses.ssim_and_structure(x, y)
    _, expected = structural_similarity_index_measure(
        x, y, data_range=1.0, return_contrast_sensitivity=True
    )
    assert float(structure.mean()) == pytest.approx(float(expected.mean()), abs=1e-5)
    for n in range(2):
        _, full = structural_similarity(
            x[n, 0].numpy().astype(np.float64),
            y[n, 0].numpy().astype(np.float64),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
            full=True,
        )
        assert float(whole[n]) == pytest.approx(full[5:-5, 5:-5, 5:-5].mean(), abs=1e-5)


def test_dissimilarity_of_scales() -> None:
    x, y = pair(22)
    assert float(dissimilarity(x, x)) == pytest.approx(0, abs=1e-6)
    # 22 voxels make two scales.
    a, b = 0.0448, 0.2856
    fine = losses.ssim_and_structure(x, y)[1]
    halves = (torch.nn.functional.avg_pool3d(image, 2) for image in (x, y))
    coarse = losses.ssim_and_structure(*halves)[0]
    expected = 1 - (fine ** (a / (a + b)) * coarse ** (b / (a + b))).mean()
    assert float(dissimilarity(x, y)) == pytest.approx(float(expected), abs=1e-6)


def test_dissimilarity_can_be_followed_down() -> None:
    x, y = pair(12)
    image = x.clone().requires_grad_()
    loss = dissimilarity(image, y)
    (slope,) = torch.autograd.grad(loss, image)
    assert float(dissimilarity(x - 5 * slope, y)) < loss.item()


def test_volume_smaller_than_the_window() -> None:
    with pytest.raises(ValueError, match="10 voxels"):
        dissimilarity(torch.rand(1, 1, 10, 16, 16), torch.rand(1, 1, 10, 16, 16))


def test_robust_error_by_hand() -> None:
    given = torch.tensor([-2.0, -0.1, 0.0, 0.05, 1.0])
    # d**2 / (2 * 0.1) below the scale, |d| - 0.1 / 2 above.
    expected = [1.95, 0.05, 0, 0.0125, 0.95]
    assert losses.robust(given, 0.1).tolist() == pytest.approx(expected)
    assert losses.robust(given, 0).tolist() == pytest.approx([2, 0.1, 0, 0.05, 1])


def test_local_means_see_through_noise_and_only_into_the_mask() -> None:
    noise = torch.randn((2, 1, 24, 24, 24), generator=torch.Generator().manual_seed(0))
    everywhere = torch.ones(noise.shape, dtype=torch.bool)
    assert float(losses.local_means(noise, everywhere, sides=(12,))) < 0.03
    shifted = losses.local_means(noise + 0.5, everywhere, sides=(3, 6, 12))
    assert float(shifted) == pytest.approx(0.5, abs=0.02)
    half = everywhere.clone()
    half[:, :, :12] = False
    wrong_outside = torch.where(half, torch.tensor(0.25), torch.tensor(99.0))
    assert float(losses.local_means(wrong_outside, half)) == pytest.approx(0.25)


def test_distributions_ask_for_a_decision_and_not_for_a_place() -> None:
    where = torch.ones((1, 1, 16, 16, 16), dtype=torch.bool)
    target = torch.rand(where.shape, generator=torch.Generator().manual_seed(0)).round()
    between = torch.full_like(target, 0.5)
    assert float(losses.local_distributions(target.flip(2), target, where, where)) < 0.2
    assert float(losses.local_distributions(between, target, where, where)) == pytest.approx(0.5)
    assert float(losses.local_distributions(between, target, ~where, where)) == 0
    # A block that is not wholly known says nothing.
    known = where.clone()
    known[..., ::4] = False
    assert float(losses.local_distributions(between, target, where, known)) == 0


def test_smoothing_is_gaussian_and_keeps_what_is_even() -> None:
    from scipy.ndimage import gaussian_filter1d

    x = torch.rand((1, 1, 8, 8, 40), generator=torch.Generator().manual_seed(0))
    found = losses.smoothed(x, (0.0, 0.0, 1.6))
    # In the middle, where no border is near.
    expected = gaussian_filter1d(x[0, 0].numpy(), 1.6, axis=2, truncate=8)
    np.testing.assert_allclose(found[0, 0, :, :, 12:-12], expected[:, :, 12:-12], atol=1e-5)
    assert torch.equal(losses.smoothed(x, (0.0, 0.0, 0.0)), x)


def test_noise_is_parted_from_what_enhances() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = 0.05 * torch.randn((1, 1, 30, 30, 30), generator=generator)
    given = noise + 0.02
    given[..., 14:17, 14:17, :] += 0.8
    mask = torch.ones(given.shape, dtype=torch.bool)
    mask[..., :3] = False
    target, enhancing = losses.part_noise(given, mask, 0.06)
    # The vessel with a voxel or two around it, as it is, noise included.
    assert enhancing[0, 0, 14:17, 14:17, 3:].all()
    assert float(enhancing.float().mean()) < 0.08
    assert torch.equal(target[enhancing], given[enhancing])
    assert not target[~enhancing].any()
    assert not (enhancing & ~mask).any()


def test_strong_noise_does_not_count_as_enhancement() -> None:
    noise = 0.3 * torch.randn((1, 1, 30, 30, 30), generator=torch.Generator().manual_seed(0))
    mask = torch.ones(noise.shape, dtype=torch.bool)
    _, enhancing = losses.part_noise(noise, mask, 0.06)
    assert float(enhancing.float().mean()) < 0.06


def batch() -> dict[str, torch.Tensor]:
    """Fluid, gray and white matter in thirds; in 4 of 60 voxels 0.5 of enhancement."""
    t1nce = torch.tensor([0.3, 0.7, 1.0]).repeat_interleave(20).reshape(1, 1, 3, 4, 5)
    t1nce = t1nce + torch.linspace(-0.02, 0.02, 60).reshape(t1nce.shape)
    t1ce = t1nce - 0.01
    t1ce[0, 0, 0, 0, :4] += 0.51
    mask = torch.ones(t1nce.shape, dtype=torch.bool)
    return {"t1ce": t1ce, "t1nce": t1nce, "mask": mask, "deviation": torch.tensor([0.05])}


def test_the_t1ce_itself_and_the_t1nce() -> None:
    pair = batch()
    same = {name: float(value) for name, value in compare_fitted(pair["t1ce"], pair).items()}
    assert same["total"] == same["inside"] == same["outside"] == pytest.approx(1)
    assert same["mean_csf"] == pytest.approx((4 * 0.5 - 16 * 0.01) / 20)
    assert same["mean_wm"] == pytest.approx(-0.01)
    # Four of twenty voxels of fluid are as bright as gray matter.
    assert same["volume_csf"] == pytest.approx(-0.2)
    assert same["volume_gm"] + same["volume_wm"] == pytest.approx(0.2, abs=0.01)
    perfect = {name: float(value) for name, value in compare_fitted(pair["t1nce"], pair).items()}
    assert next(iter(perfect)) == "total"
    assert all(value == pytest.approx(0, abs=1e-6) for value in perfect.values())


def test_half_of_the_enhancement() -> None:
    pair = batch()
    half = pair["t1ce"].clone()
    half[0, 0, 0, 0, :4] -= 0.25
    found = {name: float(value) for name, value in compare_fitted(half, pair).items()}
    assert found["inside"] == pytest.approx(0.5)
    assert found["outside"] == pytest.approx(1)
