import math

import numpy as np
import pytest
import torch
from monai.metrics import MAEMetric, PSNRMetric, SSIMMetric
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from clinica_t1nce.errors import ImageError
from clinica_t1nce.evaluation.similarity import (
    Similarity,
    compare_as_authors,
    compare_matched,
    measure_blur,
    measure_similarity,
    measure_smooth_similarity,
    unit_scale,
)
from clinica_t1nce.evaluation.smooth_recovery import prepare_smooth_pair
from tests.data import volumes

SHAPE = (28, 32, 26)


def ellipsoid(shape=SHAPE, centre=(0, 0, 0), size=0.7):
    axes = np.ogrid[tuple(slice(-1, 1, side * 1j) for side in shape)]
    return sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True)) < size**2


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    noise = (rng.normal(size=(2, *SHAPE)) for _ in range(2))
    y, x = (ndimage.gaussian_filter(v.sum(axis=0), 1) for v in noise)
    y = unit_scale(y)
    return y, 0.8 * y + 0.2 * unit_scale(x)


@pytest.mark.parametrize(
    "mask",
    [ellipsoid(), ellipsoid(size=0.2), ellipsoid(centre=(0.8, 0, -0.9), size=0.5), ellipsoid() | 1],
    ids=["middle", "small", "at the border", "everywhere"],
)
@pytest.mark.parametrize("data_range", [1.0, 2.5])
def test_against_scikit_image(pair, mask, data_range):
    y, x = pair
    mask = mask.astype(bool)
    found = measure_similarity(y, x, mask, data_range)
    _, ssim = structural_similarity(
        *(y, x), gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True,
        data_range=data_range,
    )  # fmt: skip
    assert found.ssim == pytest.approx(ssim[mask].mean(), abs=1e-9)
    psnr = peak_signal_noise_ratio(y[mask], x[mask], data_range=data_range)
    assert found.psnr == pytest.approx(psnr, abs=1e-9)
    assert found.mae == pytest.approx(100 * np.abs(x - y)[mask].mean() / data_range)


@pytest.mark.parametrize("data_range", [1.0, 2.5])
def test_against_monai(pair, data_range):
    """MONAI has no masks: the whole volume, or for SSIM that of which the window sees all."""
    everywhere = np.ones(SHAPE, bool)
    seen = np.zeros(SHAPE, bool)
    seen[5:-5, 5:-5, 5:-5] = True
    y, x = pair
    y_, x_ = (torch.from_numpy(volume)[None, None] for volume in (y, x))
    found = measure_similarity(y, x, everywhere, data_range)
    assert found.mae == pytest.approx(100 / data_range * MAEMetric()(x_, y_).item(), rel=1e-6)
    assert found.psnr == pytest.approx(PSNRMetric(data_range)(x_, y_).item(), rel=1e-6)
    ssim = SSIMMetric(spatial_dims=3, data_range=data_range)(x_, y_).item()
    assert measure_similarity(y, x, seen, data_range).ssim == pytest.approx(ssim, abs=1e-5)


def test_matched_is_the_measure_of_the_fitted_image(pair):
    y, x = pair
    mask = ellipsoid()
    slope, shift = np.polyfit(x[mask], y[mask], 1)
    matched = compare_matched(y, 3 * x - 0.4, mask)
    expected = measure_similarity(y, slope * x + shift, mask)
    assert [matched.mae, matched.psnr, matched.ssim] == pytest.approx(
        [expected.mae, expected.psnr, expected.ssim]
    )
    assert matched.mae < measure_similarity(y, 3 * x - 0.4, mask).mae


def test_by_hand():
    y = np.zeros((12, 11, 13))
    x = np.full((12, 11, 13), 0.25)
    mask = np.ones((12, 11, 13), bool)
    found = measure_similarity(y, x, mask)
    assert found.mae == 25
    assert found.psnr == pytest.approx(20 * math.log10(4))
    assert found.ssim == pytest.approx(1e-4 / (0.0625 + 1e-4))


def test_equal_and_constant_images_are_defined(pair):
    y, _ = pair
    mask = ellipsoid()
    assert measure_similarity(y, y, mask) == Similarity(0.0, math.inf, 1.0)
    constant = np.full(SHAPE, 0.5)
    assert 0 <= measure_similarity(y, constant, mask).ssim < 1
    assert compare_matched(y, constant, mask).mae == pytest.approx(
        100 * np.abs(y - y[mask].mean())[mask].mean()
    )
    assert measure_similarity(constant, constant, mask) == Similarity(0.0, math.inf, 1.0)
    assert not unit_scale(np.ones((2, 2))).any()


def test_a_synthetic_image_is_scaled_like_its_t1ce():
    t1ce, synthetic = np.array([100.0, 300.0]), np.array([90.0, 200.0])
    assert unit_scale(synthetic, like=t1ce).tolist() == [-0.05, 0.5]


def test_as_the_authors_by_hand(pair):
    """On their own grid nothing is resampled."""
    shape = (128, 128, 128)
    rng = np.random.default_rng(0)
    t1nce, t1ce = rng.uniform(0, 500, shape), rng.uniform(10, 900, shape)
    mask = ellipsoid(shape, size=0.6)
    found = compare_as_authors(t1nce, t1ce, t1ce, mask)
    y = np.where(mask, unit_scale(t1nce), 0)
    x = np.where(mask, unit_scale(t1ce), 0)
    covariance = np.cov(x.ravel(), y.ravel(), bias=True)[0, 1]
    ssim = (2 * x.mean() * y.mean() + 0.01) * (2 * covariance + 0.03)
    ssim /= (x.mean() ** 2 + y.mean() ** 2 + 0.01) * (x.var(ddof=1) + y.var(ddof=1) + 0.03)
    assert found.mae == pytest.approx(100 * np.abs(x - y).mean(), rel=1e-6)
    assert found.psnr == pytest.approx(-10 * math.log10(((x - y) ** 2).mean()), rel=1e-6)
    assert found.ssim == pytest.approx(ssim, rel=1e-6)
    # Averages over all of the volume are smaller than those in the mask.
    assert found.mae < 0.2 * measure_similarity(y, x, mask).mae


def test_as_the_authors_a_synthetic_image_has_the_scale_of_its_t1ce(pair):
    y, _ = pair
    mask = ellipsoid()
    found = compare_as_authors(y, 500 * y + 20, 500 * y + 20, mask)
    assert found.mae == pytest.approx(0, abs=1e-3)
    darker = compare_as_authors(y, 500 * y + 20, 250 * y + 20, mask)
    assert darker.mae > 3


@pytest.fixture(scope="module")
def smooth_pair():
    rng = np.random.default_rng(0)
    t1nce = volumes.brain()
    noise = np.where(t1nce > 0, rng.normal(scale=4, size=t1nce.shape), 0)
    return prepare_smooth_pair(volumes.enhance(t1nce) + noise, 0.5 * t1nce)


def in_given_units(pair, values):
    volume = np.zeros(pair.shape)
    volume[pair.box] = values * pair.unit
    return volume


def test_after_the_smooth_fit_by_hand(smooth_pair):
    pair = smooth_pair
    inside = pair.fitted[pair.mask].astype(np.float64)
    data_range = np.percentile(inside, 99.5) - inside.min()
    found = measure_smooth_similarity(pair, in_given_units(pair, pair.fitted + 0.1))
    assert found.mae == pytest.approx(100 * 0.1 / data_range, rel=1e-5)
    assert found.psnr == pytest.approx(20 * math.log10(data_range / 0.1), rel=1e-5)
    assert found.pcc == pytest.approx(1)
    assert found.ssim < 1


def test_after_the_smooth_fit_the_best_is_the_fitted_t1nce(smooth_pair):
    pair = smooth_pair
    best = measure_smooth_similarity(pair, in_given_units(pair, pair.fitted))
    t1ce = measure_smooth_similarity(pair, in_given_units(pair, pair.t1ce))
    assert (best.mae, best.ssim, best.pcc) == pytest.approx((0, 1, 1), abs=1e-5)
    assert best.nmi == pytest.approx(2)
    assert t1ce.mae > 1
    assert 1 < t1ce.nmi < 1.9
    assert t1ce.pcc < 0.99
    darker = measure_smooth_similarity(pair, in_given_units(pair, 0.9 * pair.fitted))
    assert (darker.pcc, darker.nmi) == pytest.approx((1, 2), abs=0.01)
    assert darker.mae > 5


def test_after_the_smooth_fit_a_constant_image_has_no_correlation(smooth_pair):
    found = measure_smooth_similarity(smooth_pair, np.ones(smooth_pair.shape))
    assert np.isnan([found.pcc, found.nmi]).all()


def test_blur_needs_no_reference_and_no_scale(pair):
    y, _ = pair
    mask = ellipsoid()
    sharp, blurred = (measure_blur(v, mask) for v in (y, ndimage.gaussian_filter(y, 2)))
    assert 0 < sharp < blurred < 1
    assert measure_blur(40 * y, mask) == pytest.approx(sharp)
    assert measure_blur(np.where(mask, y, 99), mask) == sharp
    assert np.isnan(measure_blur(np.zeros(SHAPE), mask))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, x, m: (y, x, m & False), "mask is empty"),
        (lambda y, x, m: (y, x, m[1:]), "one grid"),
        (lambda y, x, m: (y, x[1:], m), "one grid"),
        (lambda y, x, m: (y, np.where(m, np.nan, x), m), "NaN"),
        (lambda y, x, m: (np.where(m, np.inf, y), x, m), "infinite"),
    ],
)
def test_bad_input(pair, change, message):
    y, x, mask = change(*pair, ellipsoid())
    with pytest.raises(ImageError, match=message):
        measure_similarity(y, x, mask)
