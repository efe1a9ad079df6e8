import numpy as np
import pytest

from clinica_t1nce.synthesis.detector import Detector, measure_features

CARD = {
    "weights": [2.0, 0.0, 0.0, 1.0, 0.0, -3.0],
    "intercept": 3.0,
    "unchanged_below": 0.1,
    "whole_above": 0.6,
}


def test_description_by_hand() -> None:
    change = np.zeros((10, 10, 10), np.float32)
    change[0, 0] = 0.5
    head = np.zeros(change.shape, bool)
    head[0] = True
    *amounts, doubt = np.exp(measure_features(change, head, uncertainty=0.4))
    mean, median, p90, p99, p999 = np.array(amounts) - 0.003
    assert doubt == pytest.approx(0.5)
    assert mean == pytest.approx(0.05)
    assert median == pytest.approx(0, abs=1e-9)
    assert p90 == pytest.approx(np.percentile([0.0] * 90 + [0.5] * 10, 90))
    assert p99 == p999 == pytest.approx(0.5)


def test_what_lies_outside_the_head_does_not_count() -> None:
    change = np.random.default_rng(0).random((6, 6, 6)).astype(np.float32)
    head = np.zeros(change.shape, bool)
    head[2:4] = True
    before = measure_features(change, head)
    change[~head] = 9
    np.testing.assert_array_equal(measure_features(change, head), before)


def test_doubt_that_is_unknown_counts_as_one() -> None:
    change, head = np.ones((2, 2, 2)), np.ones((2, 2, 2), bool)
    np.testing.assert_array_equal(
        measure_features(change, head), measure_features(change, head, 1.0)
    )


def test_probability_by_hand() -> None:
    detector = Detector.from_card({"gadolinium": CARD})
    assert detector is not None
    log_odds = 2.0 * -1 + 1.0 * -0.5 - 3.0 * 0.2 + 3.0
    found = detector.probability(np.array([-1, 7, 7, -0.5, 7, 0.2]))
    assert found == pytest.approx(1 / (1 + np.exp(-log_odds)))
    assert detector.probability(np.array([1e6, 0, 0, 0, 0, 0])) == pytest.approx(1)
    assert detector.probability(np.array([-1e6, 0, 0, 0, 0, 0])) == pytest.approx(0)


def test_the_fraction_rises_between_its_limits() -> None:
    detector = Detector(**CARD)
    assert [detector.fraction(p) for p in (0, 0.05, 0.1)] == [0, 0, 0]
    assert detector.fraction(0.35) == pytest.approx(0.5)
    assert [detector.fraction(p) for p in (0.6, 1)] == [1, 1]
    fractions = [detector.fraction(p) for p in np.linspace(0, 1, 50)]
    assert fractions == sorted(fractions)


def test_no_detector_on_the_card() -> None:
    assert Detector.from_card({}) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": [1.0]},
        {"weights": [np.nan] * 6},
        {"intercept": float("inf")},
        {"unchanged_below": 0.7},
        {"whole_above": 1.5},
        {"threshold": 0.5},
    ],
)
def test_a_card_that_holds_no_detector_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"calibration\.gadolinium"):
        Detector.from_card({"gadolinium": CARD | wrong})


def test_floor_makes_no_change_finite() -> None:
    nothing = np.zeros((3, 3, 3))
    assert np.isfinite(measure_features(nothing, np.ones(nothing.shape, bool))).all()
