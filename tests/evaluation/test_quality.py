from itertools import product

import pytest

from clinica_t1nce.evaluation.frames import quality_of, strata


def test_every_combination_of_grades():
    for grades in product((0, 1, 2), repeat=3):
        expected = "low" if 2 in grades else "medium" if 1 in grades else "good"
        assert quality_of(*grades) == expected


def test_a_grade_that_is_none():
    with pytest.raises(ValueError, match="0, 1 or 2"):
        quality_of(0, 3, 0)


def test_the_two_test_sets():
    found = {k: v.tolist() for k, v in strata(["good", "low", None, "medium"]).items()}
    assert found == {
        "all": [True, True, True, True],
        "test_good": [True, False, False, True],
        "test_low": [False, True, False, False],
    }
    assert list(strata([None, None])) == ["all"]
    assert list(strata(["low"])) == ["all", "test_low"]
