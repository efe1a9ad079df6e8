import importlib.util
from dataclasses import asdict
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from clinica_t1nce.errors import ImageError
from clinica_t1nce.evaluation import smooth_recovery

SHAPE = (40, 44, 36)
TISSUES = {"csf": 0.3, "gm": 0.65, "wm": 1.0}
SCANNER = 250.0
"""Units of the T1ce in one of bright tissue."""


@pytest.fixture(scope="module")
def head():
    """A T1ce and a T1nce of one head: another contrast and receive field, noise, two vessels."""
    rng = np.random.default_rng(1)
    axes = np.meshgrid(*(np.linspace(-1, 1, side) for side in SHAPE), indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    classes = np.select([radius < 0.55, radius < 0.75, radius < 0.95], [3, 2, 1], 0)
    t1nce = np.select([classes == n for n in (1, 2, 3)], list(TISSUES.values()), 0.0)
    t1nce = t1nce + np.where(classes > 0, rng.normal(scale=0.02, size=SHAPE), 0)
    vessels = np.zeros(SHAPE, bool)
    vessels[18:21, :, 17:20] = vessels[10:12, 20:22, :] = True
    vessels &= classes > 0
    seen = (1 + 0.1 * axes[0] - 0.15 * axes[1] * axes[2]) * t1nce + 0.05 * axes[2] * (classes > 0)
    noise = np.where(classes > 0, rng.normal(scale=0.02, size=SHAPE), 0)
    t1ce = seen + noise + 0.5 * vessels
    return SCANNER * t1ce, 90 * t1nce, SCANNER * seen, vessels, classes


@pytest.fixture(scope="module")
def pair(head):
    return smooth_recovery.prepare_smooth_pair(head[0], head[1])


def whole(pair, values: np.ndarray) -> np.ndarray:
    """Bring a volume of the pair back to where images are given."""
    volume = np.zeros(SHAPE)
    volume[pair.box] = values * pair.unit
    return volume


def test_the_t1nce_is_seen_as_the_t1ces_scan_would_show_it(head, pair):
    _, _, seen, vessels, classes = head
    expected = seen[pair.box] / pair.unit
    assert np.abs(pair.fitted - expected)[pair.mask].max() < 0.02
    assert pair.enhancing[vessels[pair.box] & pair.mask].mean() > 0.99
    assert pair.enhancing[~vessels[pair.box]].mean() < 0.02
    assert (pair.tissues == classes[pair.box])[pair.mask].mean() > 0.98
    assert not pair.tissues[~pair.mask].any()
    brain = ndimage.binary_erosion(classes > 0)
    np.testing.assert_array_equal(pair.mask, brain[pair.box])


def test_the_t1ce_itself_recovers_nothing(head, pair):
    found = smooth_recovery.measure_smooth_recovery(pair, head[0])
    values = (found.total, found.share, found.inside, found.outside, found.sharpness)
    assert values == pytest.approx((1, 0, 1, 1, 1), abs=1e-5)
    added = (head[0] - head[2])[pair.box][pair.enhancing].mean() / pair.unit
    assert added > 0.5
    assert found.left == pytest.approx(added, rel=0.01)


def test_the_oracle_recovers_all(head, pair):
    oracle = whole(pair, np.where(pair.enhancing, pair.fitted, pair.t1ce))
    found = smooth_recovery.measure_smooth_recovery(pair, oracle)
    assert (found.share, found.inside, found.outside) == pytest.approx((1, 0, 1), abs=1e-5)
    assert found.total == pytest.approx(found.oracle)
    assert found.sharpness == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("size", "expected"), [(0.5, 0.93), (0.1, 0.7)])
def test_attainable_is_what_removal_that_leaves_noise_recovers(head, size, expected):
    t1ce, t1nce, _, vessels, _ = head
    clean = t1ce - 0.5 * SCANNER * vessels
    given = clean + size * SCANNER * vessels
    pair = smooth_recovery.prepare_smooth_pair(given, t1nce)
    found = smooth_recovery.measure_smooth_recovery(pair, clean)
    assert found.attainable == pytest.approx(found.share, abs=0.03)
    assert found.attainable == pytest.approx(expected, abs=0.02)


def test_half_of_the_enhancement(head, pair):
    half = whole(pair, np.where(pair.enhancing, (pair.fitted + pair.t1ce) / 2, pair.t1ce))
    found = smooth_recovery.measure_smooth_recovery(pair, half)
    assert (found.share, found.inside, found.outside) == pytest.approx((0.5, 0.5, 1), abs=1e-5)
    whole_left = smooth_recovery.measure_smooth_recovery(pair, head[0]).left
    assert found.left == pytest.approx(whole_left / 2, rel=1e-5)


def test_darkening_of_one_tissue_is_its_bias(pair):
    for name, label in (("csf", 1), ("gm", 2), ("wm", 3)):
        darker = whole(pair, pair.fitted - 0.05 * (pair.tissues == label))
        found = asdict(smooth_recovery.measure_smooth_recovery(pair, darker))
        biases = {each: found[f"bias_{each}"] for each in TISSUES}
        assert biases == pytest.approx({**dict.fromkeys(TISSUES, 0), name: -0.05}, abs=1e-6)
        part = (pair.tissues == label).sum() / pair.mask.sum()
        assert found["bias"] == pytest.approx(-0.05 * part, abs=1e-6)


def test_a_global_darkening_is_not_forgiven(head, pair):
    found = smooth_recovery.measure_smooth_recovery(pair, 0.9 * head[0])
    assert found.outside > 1.5
    assert found.bias < -0.05


def test_sharpness_hardly_sees_noise_and_sees_blur(head, pair):
    t1ce = head[0]
    rng = np.random.default_rng(2)
    noisy = t1ce + rng.normal(scale=0.02 * SCANNER, size=SHAPE)
    found = smooth_recovery.measure_smooth_recovery(pair, noisy).sharpness
    plain = smooth_recovery.gradient_energy(noisy[pair.box], pair.mask)
    plain /= smooth_recovery.gradient_energy(t1ce[pair.box], pair.mask)
    assert abs(found - 1) < 0.3 * abs(plain - 1)
    blurred = ndimage.gaussian_filter(t1ce, 0.7)
    assert smooth_recovery.measure_smooth_recovery(pair, blurred).sharpness < 0.95


def test_sharpness_sees_nothing_of_vessels_and_air(head, pair):
    spoiled = np.where(head[3], 50 * SCANNER, head[0])
    spoiled[head[4] == 0] = 9 * SCANNER
    assert smooth_recovery.measure_smooth_recovery(pair, spoiled).sharpness == pytest.approx(
        1, abs=1e-5
    )


def test_without_enhancement_there_is_no_share(head):
    _, t1nce, seen, _, _ = head
    pair = smooth_recovery.prepare_smooth_pair(seen, t1nce)
    pair.enhancing[...] = False
    found = smooth_recovery.measure_smooth_recovery(pair, 0.9 * seen)
    assert np.isnan([found.share, found.inside, found.left]).all()
    assert found.oracle == 1


def test_two_runs_give_the_same(head, pair):
    again = smooth_recovery.prepare_smooth_pair(head[0], head[1])
    np.testing.assert_array_equal(again.fitted, pair.fitted)
    np.testing.assert_array_equal(again.tissues, pair.tissues)


def test_tissues_do_not_follow_the_receive_field():
    """A head of stripes, 100 voxels long, brighter by half at one end than at the other."""
    places = np.indices((100, 30, 30))
    classes = 1 + places[1] // 4 % 3
    noise = np.random.default_rng(0).normal(scale=0.02, size=classes.shape)
    field = np.linspace(0.8, 1.2, 100)[:, None, None]
    bright = (np.array([0, 0.3, 0.75, 1])[classes] + noise) * field
    mask = np.ones(classes.shape, bool)
    found = smooth_recovery.classify_tissues(bright, mask)
    by_thresholds = 1 + np.digitize(bright, [0.55, 0.87])
    wrong = [(labels != classes).mean() for labels in (found, by_thresholds)]
    assert wrong[0] < 0.02 < 0.08 < wrong[1]


def test_tissues_of_an_image_with_one_value_are_defined():
    mask = np.ones((5, 5, 5), bool)
    assert set(np.unique(smooth_recovery.classify_tissues(mask * 3.0, mask))) <= {1, 2, 3}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x, y: (x, y[1:]), "shapes differ"),
        (lambda x, y: (np.where(x > 0, np.nan, x), y), "NaN"),
        (lambda x, y: (0 * x, y), "no voxel of the brain"),
        (lambda x, y: (x[16:22, 16:22, 16:22], y[16:22, 16:22, 16:22]), "too few"),
    ],
)
def test_pairs_that_cannot_be_used(head, spoil, message):
    with pytest.raises(ImageError, match=message):
        smooth_recovery.prepare_smooth_pair(*spoil(head[0], head[1]))


def test_images_that_cannot_be_compared(head, pair):
    with pytest.raises(ImageError, match="one grid"):
        smooth_recovery.measure_smooth_recovery(pair, head[0][1:])
    with pytest.raises(ImageError, match="NaN"):
        smooth_recovery.measure_smooth_recovery(pair, np.full(SHAPE, np.nan))


@pytest.mark.real
def test_agrees_with_the_reference_reading(shared_data: Path):
    script = shared_data.parent / "reference" / "pair_measures.py"
    folder = shared_data / "train_pairs"
    if not (script.exists() and folder.is_dir()):
        pytest.skip("the reference reading or the training pairs are absent")
    spec = importlib.util.spec_from_file_location("pair_measures", script)
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    t1ce, t1nce = (
        nib.load(folder / f"b18_TCIA01_499_1_{name}.nii.gz").get_fdata(dtype=np.float32)
        for name in ("t1ce", "t1nce")
    )
    synthetic = ndimage.grey_opening(t1ce, size=3)
    expected = reference.measure_smooth(t1ce, t1nce, synthetic)
    prepared = smooth_recovery.prepare_smooth_pair(t1ce, t1nce)
    found = asdict(smooth_recovery.measure_smooth_recovery(prepared, synthetic))
    same = ("total", "oracle", "share", "inside", "outside", "left")
    # Both fit to 200,000 voxels drawn at random, not the same ones.
    assert {name: found[name] for name in same} == pytest.approx(
        {name: float(expected[name]) for name in same}, abs=0.004
    )
    assert found["bias"] == pytest.approx(float(expected["mean"]), abs=0.001)
