import numpy as np
import pytest
from scipy import ndimage

from clinica_t1nce.errors import SelectionError
from clinica_t1nce.evaluation.audit import ALL, audit, measure_image, separate
from tests.data import volumes

SHAPE = (40, 48, 36)
PEOPLE = [f"sub-{number:02}" for number in range(20)]
SYNTHETIC = [number % 2 == 1 for number in range(20)]


def features(shift, seed=0):
    rng = np.random.default_rng(seed)
    return [{"a": rng.normal(shift * kind), "b": rng.normal()} for kind in SYNTHETIC]


def test_what_differs_is_told_apart_and_noise_is_not():
    told = separate(features(4.0), SYNTHETIC, PEOPLE)
    assert (told.n_acquired, told.n_synthetic) == (10, 10)
    assert told.low > 0.9
    assert told.accuracy > 0.9
    noise = [separate(features(0.0, seed), SYNTHETIC, PEOPLE).auc for seed in range(4)]
    assert np.mean(noise) < 0.6


def test_people_with_both_kinds_are_never_on_both_sides():
    """What is of the person, and not of the kind, must not help."""
    people = [f"sub-{number // 2}" for number in range(20)]
    own = [{"a": float(number // 2)} for number in range(20)]
    assert separate(own, SYNTHETIC, people).auc < 0.6


def test_a_blurred_image_is_seen_in_every_set():
    sharp = volumes.brain(SHAPE, seed=1) + np.random.default_rng(0).normal(0, 5, SHAPE)
    blurred = ndimage.gaussian_filter(sharp, 1.0)
    a, b = measure_image(sharp), measure_image(blurred)
    assert b["sharpness"]["blur"] > a["sharpness"]["blur"]
    assert b["sharpness"]["gradient"] < a["sharpness"]["gradient"]
    assert b["sharpness"]["noise"] < 0.5 * a["sharpness"]["noise"]
    assert b["spectrum"]["band8"] < a["spectrum"]["band8"] - 1
    assert sum(10**share for share in a["spectrum"].values()) == pytest.approx(1, abs=1e-6)


def test_the_spectrum_does_not_mind_the_unit():
    brain = volumes.brain(SHAPE)
    found, other = (measure_image(volume)["spectrum"] for volume in (brain, 7 * brain))
    assert found == pytest.approx(other)


def test_sets_that_not_every_image_has_are_left_out():
    rows = [{"sharpness": each, "volumes": each} for each in features(3.0)]
    assert list(audit(rows, SYNTHETIC, PEOPLE)) == ["sharpness", "volumes", ALL]
    del rows[3]["volumes"]
    assert list(audit(rows, SYNTHETIC, PEOPLE)) == ["sharpness", ALL]


def test_too_few_people():
    with pytest.raises(SelectionError, match="4 participants with synthetic images"):
        separate(features(1.0)[:9], SYNTHETIC[:9], PEOPLE[:9])
