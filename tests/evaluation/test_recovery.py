import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from clinica_t1nce.errors import ImageError
from clinica_t1nce.evaluation import recovery
from tests.data import volumes

CUBE = (8, 8, 8)


def measure_pair(t1ce, t1nce, synthetic):
    return recovery.measure_recovery(recovery.prepare_pair(t1ce, t1nce), synthetic)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """T1ce and T1nce of one head, with noise of their own and another gain."""
    rng = np.random.default_rng(3)
    head = volumes.brain()
    t1ce, t1nce = volumes.enhance(head), 0.5 * head
    return tuple(
        np.where(head > 0, v + rng.normal(scale=4, size=v.shape), 0).astype(np.float32)
        for v in (t1ce, t1nce)
    )


def ramp(shape: tuple[int, int, int] = CUBE) -> np.ndarray:
    return np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape)


def test_robust_fit_of_an_exact_line():
    x = ramp()
    fit = recovery.robust_fit(x, 3 * x - 7, np.ones(CUBE, bool))
    assert (fit.slope, fit.shift) == pytest.approx((3, -7))
    assert fit.deviation == pytest.approx(0, abs=1e-9)


def test_robust_fit_leaves_outliers_out():
    x, rng = ramp(), np.random.default_rng(0)
    y = 2 * x + 5 + rng.normal(size=CUBE)
    bright = x.copy()
    bright[3:5, 3:5, 3:5] += 1000
    plain_slope = np.polyfit(bright.ravel(), y.ravel(), 1)[0]
    fit = recovery.robust_fit(bright, y, np.ones(CUBE, bool))
    assert abs(plain_slope - 2) > 0.5
    assert fit.slope == pytest.approx(2, abs=0.01)
    assert fit.shift == pytest.approx(5, abs=1)


def test_robust_fit_looks_into_the_mask_only():
    x = ramp()
    y = np.where(x > 256, 2 * x, -x)
    assert recovery.robust_fit(x, y, x > 256).slope == pytest.approx(2)
    assert recovery.robust_fit(x, y, x <= 256).slope == pytest.approx(-1)


def test_fit_and_its_inverse():
    fit = recovery.LinearFit(2.0, 3.0, 0.0)
    assert fit.apply(np.float32([1, 2])).tolist() == [5, 7]
    assert fit.invert(np.float32([5, 7])).tolist() == [1, 2]


def test_measures_by_hand():
    """A known pattern of errors, one voxel that enhances: each number follows from these."""
    brain = np.zeros((11, 11, 11), bool)
    brain[1:10, 1:10, 1:10] = True
    inner = np.zeros_like(brain)
    inner[2:9, 2:9, 2:9] = True
    x_index, y_index, z_index = np.indices(brain.shape)
    y = np.where(brain, 10.0 * (1 + x_index % 5), 0)
    x = np.where(brain, y + (y_index + z_index) % 3 - 1.0, 0)
    x[5, 5, 5] += 60
    pair = recovery.prepare_pair(x, y, brain)
    np.testing.assert_array_equal(pair.mask, inner)
    assert np.argwhere(pair.enhancing).tolist() == [[5, 5, 5]]
    assert pair.value_range == pytest.approx(50 - 10)

    def error(image, slope_from):
        slope, shift = np.polyfit(image[slope_from], y[slope_from], 1)
        return np.abs(slope * image + shift - y)

    rest = inner & ~pair.enhancing
    assert pair.error == pytest.approx(100 / 40 * error(x, rest)[inner].mean())
    half = np.where(pair.enhancing, x - 30, x)
    measures = recovery.measure_recovery(pair, half)
    assert measures.error_synthetic == pytest.approx(100 / 40 * error(half, rest)[inner].mean())
    assert measures.inside == pytest.approx(error(half, rest)[5, 5, 5] / error(x, rest)[5, 5, 5])
    assert (measures.outside, measures.sharpness) == pytest.approx((1, 1))
    assert measures.share == pytest.approx(
        (measures.error_t1ce - measures.error_synthetic)
        / (measures.error_t1ce - measures.error_oracle)
    )
    assert 0.4 < measures.share < 0.6


def test_the_t1ce_itself_recovers_nothing(pair):
    t1ce, t1nce = pair
    measures = measure_pair(t1ce, t1nce, t1ce)
    assert measures.share == pytest.approx(0, abs=1e-9)
    assert (measures.inside, measures.outside, measures.sharpness) == pytest.approx((1, 1, 1))


def test_the_oracle_recovers_all(pair):
    t1ce, t1nce = pair
    prepared = recovery.prepare_pair(t1ce, t1nce)
    oracle = np.where(prepared.enhancing, t1nce, prepared.fitted)
    measures = recovery.measure_recovery(prepared, oracle)
    assert prepared.enhancing.sum() > 40
    assert measures.share == pytest.approx(1)
    assert measures.error_synthetic == pytest.approx(prepared.oracle_error)
    assert measures.inside < 0.1


def test_scale_of_the_synthetic_image_does_not_count(pair):
    t1ce, t1nce = pair
    synthetic = 0.7 * t1ce + 0.6 * t1nce
    one, other = (measure_pair(t1ce, t1nce, k * synthetic + 10 * k) for k in (1, 5))
    assert (one.share, one.inside, one.outside) == pytest.approx(
        (other.share, other.inside, other.outside)
    )
    assert other.sharpness == pytest.approx(25 * one.sharpness, rel=1e-5)


def test_sharpness_ignores_what_is_near_enhancement(pair):
    t1ce, t1nce = pair
    prepared = recovery.prepare_pair(t1ce, t1nce)
    near = ndimage.binary_dilation(prepared.enhancing, iterations=1)
    spoiled = np.where(near, 1e4 * np.random.default_rng(0).random(t1ce.shape), t1ce)
    assert recovery.measure_recovery(prepared, spoiled).sharpness == pytest.approx(1)
    blurred = ndimage.gaussian_filter(t1ce, 1)
    assert recovery.measure_recovery(prepared, blurred).sharpness < 0.9


def test_worse_than_the_t1ce_is_negative(pair):
    t1ce, t1nce = pair
    assert measure_pair(t1ce, t1nce, 3 * t1ce - 4 * t1nce).share < 0


def test_no_enhancement_gives_nan():
    brain = volumes.brain().astype(np.float64)
    measures = measure_pair(2 * brain, brain, 2 * brain)
    assert np.isnan([measures.share, measures.inside]).all()
    assert measures.error_t1ce == pytest.approx(0, abs=1e-9)


def test_gradient_energy_of_a_plane():
    volume = np.indices(CUBE)[0] * 3.0 + np.indices(CUBE)[2]
    assert recovery.gradient_energy(volume, np.ones(CUBE, bool)) == pytest.approx(10)
    assert np.isnan(recovery.gradient_energy(volume, np.zeros(CUBE, bool)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x, y, s: (x, y[:-1], s), "shapes differ"),
        (lambda x, y, s: (x, y, s[:-1]), "shapes differ"),
        (lambda x, y, s: (x, y, s * np.nan), "synthetic: NaN"),
        (lambda x, y, s: (x, np.where(y > 0, y, np.inf), s), "t1nce: NaN"),
        (lambda x, y, s: (0 * x, y, s), "empty"),
        (lambda x, y, s: (x, np.ones_like(y), s), "T1nce is constant"),
        (lambda x, y, s: (x, y, np.ones_like(s)), "constant in the brain"),
    ],
)
def test_bad_input(pair, spoil, message):
    t1ce, t1nce = pair
    with pytest.raises(ImageError, match=message):
        measure_pair(*spoil(t1ce, t1nce, t1ce))


@pytest.mark.real
@pytest.mark.parametrize("noise", [0.0, 10.0])
def test_agrees_with_the_reference_reading(shared_data: Path, pair, noise):
    script = shared_data.parent / "reference" / "pair_measures.py"
    if not script.exists():
        pytest.skip("the reference reading is absent")
    spec = importlib.util.spec_from_file_location("pair_measures", script)
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    t1ce, t1nce = pair
    rng = np.random.default_rng(5)
    synthetic = (0.6 * t1ce + 0.8 * t1nce + rng.normal(scale=noise, size=t1ce.shape)).astype(
        np.float32
    )
    expected = reference.measure(t1ce, t1nce, synthetic)
    found = measure_pair(t1ce, t1nce, synthetic)
    assert {
        "t1ce": found.error_t1ce,
        "oracle": found.error_oracle,
        "synthetic": found.error_synthetic,
        "share": found.share,
        "inside": found.inside,
        "outside": found.outside,
        "sharpness": found.sharpness,
    } == pytest.approx(expected, rel=1e-4)
