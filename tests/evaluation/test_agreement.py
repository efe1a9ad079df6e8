import numpy as np
import pytest
from scipy import stats

from clinica_t1nce.evaluation.agreement import (
    COLUMNS,
    FLOOR,
    Correlation,
    disturb,
    intraclass_correlation,
    measure_agreement,
    tabulate_agreement,
)
from clinica_t1nce.evaluation.frames import collect, compare_methods, describe
from clinica_t1nce.evaluation.tables import make_tables
from tests.data import volumes

SHROUT_FLEISS = [
    [9, 2, 5, 8],
    [6, 1, 3, 2],
    [8, 4, 6, 8],
    [7, 1, 2, 6],
    [10, 5, 6, 9],
    [6, 2, 4, 7],
]
"""Table 2 of Shrout and Fleiss (1979): six subjects, four raters."""

WINES = [
    *([1, 2, 0, 1], [1, 3, 3, 2], [3, 8, 1, 4], [6, 4, 3, 3]),
    *([6, 5, 5, 6], [7, 5, 6, 2], [8, 7, 7, 9], [9, 9, 9, 8]),
]
"""Example of real-statistics.com, which pingouin takes as well: eight wines, four raters."""


def test_correlation_of_shrout_and_fleiss():
    """ICC(2,1) of the paper is 0.29; the interval is that of R's package psych."""
    found = intraclass_correlation(SHROUT_FLEISS)
    assert found.icc == pytest.approx(0.29, abs=0.005)
    assert (found.low, found.high) == pytest.approx((0.019, 0.761), abs=0.0005)


def test_correlation_of_the_wines():
    found = intraclass_correlation(WINES)
    assert found.icc == pytest.approx(0.728, abs=0.0005)
    assert (found.low, found.high) == pytest.approx((0.434, 0.927), abs=0.0005)


def test_correlation_minds_a_shift():
    """By hand: rows 1.25 x 4/3, columns 2, error 0; (10/3) / (10/3 + 2/4 x 2)."""
    found = intraclass_correlation([[1, 2], [2, 3], [3, 4], [4, 5]])
    assert found.icc == pytest.approx(10 / 13)
    assert found.low < found.icc < found.high < 1


def test_correlation_at_its_ends():
    assert intraclass_correlation([[1, 1], [2, 2], [4, 4]]) == Correlation(1, 1, 1)
    for seed in range(20):
        values = np.random.default_rng(seed).uniform(300, 900, 5)
        alike = np.stack([values, values * (1 + 1e-15)], axis=1)
        assert intraclass_correlation(alike) == Correlation(1, 1, 1)
    nothing = intraclass_correlation([[1, 1], [1, 1]])
    assert np.isnan([nothing.icc, nothing.low, nothing.high]).all()
    shifted = intraclass_correlation([[1, 2], [1, 2], [1, 2]])
    assert shifted.icc == 0
    assert np.isnan([shifted.low, shifted.high]).all()


def test_bias_and_limits_by_hand():
    found = measure_agreement([110, 210, 330, 400], [100, 200, 300, 400])
    percent = np.array([10, 5, 10, 0])
    assert (found.n, found.bias) == (4, 6.25)
    interval = stats.ttest_1samp(percent, 0).confidence_interval(0.95)
    assert (found.bias_low, found.bias_high) == pytest.approx((interval.low, interval.high))
    deviation = np.std(percent, ddof=1)
    assert found.limit_low == pytest.approx(6.25 - 1.96 * deviation)
    assert found.limit_high == pytest.approx(6.25 + 1.96 * deviation)
    expected = intraclass_correlation([[110, 100], [210, 200], [330, 300], [400, 400]])
    assert (found.icc, found.icc_low) == (expected.icc, expected.low)


def test_limits_hold_95_of_100_pairs():
    rng = np.random.default_rng(0)
    reference = rng.uniform(400, 800, 4000)
    values = reference * (1 + rng.normal(0.02, 0.03, 4000))
    found = measure_agreement(values, reference)
    difference = 100 * (values / reference - 1)
    within = (difference > found.limit_low) & (difference < found.limit_high)
    assert within.mean() == pytest.approx(0.95, abs=0.01)
    assert found.bias_low < 2 < found.bias_high


def test_two_pairs_have_a_bias_only():
    found = measure_agreement([110, 90], [100, 100])
    assert (found.n, found.bias) == (2, 0)
    rest = (found.bias_low, found.bias_high, found.limit_low, found.limit_high, found.icc)
    assert np.isnan(rest).all()


@pytest.mark.parametrize(("values", "reference"), [([1, 2], [1]), ([], [])])
def test_values_that_do_not_fit(values, reference):
    with pytest.raises(ValueError, match="of the reference"):
        measure_agreement(values, reference)


def record(number, *, floor=True):
    reference = {"GM": 600.0 + 10 * number, "WM": 400.0 + number}
    made = {
        "volumes": [
            reference,
            {"GM": 1.1 * reference["GM"] + number, "WM": 0.9 * reference["WM"]},
            {"GM": 1.01 * reference["GM"], "WM": 0.99 * reference["WM"] - number},
        ],
        "dice": {
            "rigid": [{"GM": 0.8, "WM": 0.85}, {"GM": 0.9, "WM": 0.95}],
            "none": [{"GM": 0.1, "WM": 0.1}, {"GM": 0.1, "WM": 0.1}],
        },
    }
    if floor:
        made["noise_floor"] = {
            "images": list(FLOOR),
            "volumes": [{**reference, "GM": 1.002 * reference["GM"]}, dict(reference)],
            "dice": [{"GM": 0.97, "WM": 0.98}, {"GM": 1.0, "WM": 1.0}],
        }
    return {
        "participant_id": f"sub-{number}",
        "session_id_t1ce": "ses-2",
        "session_id_t1nce": "ses-1",
        "quality": "good" if number else "low",
        "images": ["T1ce", "model"],
        "segmentations": {"atropos": made},
    }


def test_table_of_agreement():
    frames = collect(record(number) for number in range(5))
    found = tabulate_agreement(frames)
    assert tuple(found.columns) == COLUMNS
    assert list(found["set"].unique()) == ["all", "test_good", "test_low"]
    everything = found[found["set"] == "all"].set_index(["tissue", "image"])
    assert list(everything.loc["GM"].index) == ["T1ce", "model", *FLOOR]
    row = everything.loc[("GM", "T1ce")]
    pairs = [record(number)["segmentations"]["atropos"]["volumes"] for number in range(5)]
    expected = measure_agreement([p[1]["GM"] for p in pairs], [p[0]["GM"] for p in pairs])
    assert (row["n"], row["volume_bias"]) == (5, expected.bias)
    assert (row["icc"], row["limit_low"]) == (expected.icc, expected.limit_low)
    assert row["mean_dice"] == pytest.approx(0.8)
    chosen = (frames["volumes"]["image"] == "T1ce") & (frames["volumes"]["tissue"] == "GM")
    assert row["absolute"] == pytest.approx(frames["volumes"].loc[chosen, "avd"].mean())
    floor = everything.loc[("GM", FLOOR[0])]
    assert (floor["volume_bias"], floor["mean_dice"]) == pytest.approx((0.2, 0.97))
    assert set(describe(found.columns)) == set(COLUMNS)
    assert set(compare_methods(frames)["table"]) == {"volumes", "dice"}

    table = make_tables(frames, compare_methods(frames), found)["agreement"]
    assert table.rows[0][:6] == ("All", "atropos", "GM", "T1ce", "-", "5")
    assert table.rows[0][6].startswith("+10.3 [")
    assert table.rows[2][3:5] == ("T1nce again", "moved 0.5 mm")
    assert table.rows[-1][-1] == "1.000"
    low = [row for row in table.rows if row[0] == "Test_low"]
    assert low[0][6:9] == ("+10.0 [n/a]", "[n/a]", "n/a [n/a]")
    assert "noise floor" in table.note
    assert len({line.count("|") for line in table.markdown().splitlines()[2:6]}) == 1


def test_table_without_noise_floor_or_pairs():
    frames = collect([record(number, floor=False) for number in range(3)])
    found = tabulate_agreement(frames)
    assert set(found["image"]) == {"T1ce", "model"}
    assert (
        "noise floor" not in make_tables(frames, compare_methods(frames), found)["agreement"].note
    )
    empty = tabulate_agreement(collect([]))
    assert empty.empty
    assert tuple(empty.columns) == COLUMNS


def test_disturbed_as_little_as_said():
    volume, affine = volumes.brain(), volumes.affine("las")
    _, gained = disturb(volume, affine)
    assert len(FLOOR) == 2
    brain = volume > 0
    ratio = gained[brain] / volume[brain]
    assert 0.9 <= ratio.min() < 0.92
    assert 1.08 < ratio.max() <= 1.1
    ramp = np.indices(volumes.SHAPE).T @ [1.0, 2, 3] + 10
    moved = disturb(ramp.T, affine)[0] - ramp.T
    # The first axis runs to the left; 0.5 mm along the diagonal are 0.29 along each.
    expected = 0.5 / np.sqrt(3) * (-1 + 2 + 3)
    assert moved[6:-6, 6:-6, 6:-6] == pytest.approx(expected, abs=1e-3)
