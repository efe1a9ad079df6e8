import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from clinica_t1nce.evaluation.statistics import bonferroni, compare_paired


@pytest.fixture
def samples():
    rng = np.random.default_rng(3)
    baseline = rng.normal(4, 1.5, 26)
    return baseline - rng.normal(1, 0.7, 26), baseline


def test_against_scipy_and_statsmodels(samples):
    values, others = samples
    found = compare_paired(values, others)
    difference = values - others
    oracle = DescrStatsW(difference)
    t, p, _ = oracle.ttest_mean(0)
    assert (found.t, found.p) == pytest.approx((t, p))
    assert (found.ci_low, found.ci_high) == pytest.approx(oracle.tconfint_mean(0.05))
    assert found.effect_size == pytest.approx(difference.mean() / np.std(difference, ddof=1))
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(values, others).pvalue)
    assert found.normality_p == pytest.approx(stats.shapiro(difference).pvalue)
    assert (found.n, found.note) == (26, "")
    assert (found.mean, found.other_mean) == pytest.approx((values.mean(), others.mean()))
    assert found.sd == pytest.approx(values.std(ddof=1))
    assert found.difference == pytest.approx(difference.mean())


def test_bonferroni_against_statsmodels():
    p = [0.001, 0.02, 0.4, 0.04]
    expected = multipletests(p, method="bonferroni")[1]
    assert [bonferroni(each, len(p)) for each in p] == pytest.approx(expected)
    assert math.isnan(bonferroni(math.nan, 4))


@pytest.mark.parametrize(("n", "note"), [(2, "fewer than 3 pairs: not tested"), (3, "")])
def test_too_few_are_not_tested(samples, n, note):
    found = compare_paired(samples[0][:n], samples[1][:n])
    assert found.note == note
    assert math.isnan(found.p) == (n < 3)
    assert found.difference == pytest.approx((samples[0][:n] - samples[1][:n]).mean())


def test_nothing_at_all():
    found = compare_paired([], [])
    assert found.n == 0
    assert math.isnan(found.mean)


def test_equal_differences_are_not_tested():
    found = compare_paired([1.1, 2.1, 3.1, 4.1], [0.1, 1.1, 2.1, 3.1])
    assert found.note == "all differences are equal: not tested"
    assert found.difference == pytest.approx(1)
    assert math.isnan(found.t)


def test_infinite_values_are_left_out_and_told(samples):
    values, others = samples
    found = compare_paired([*values, math.inf], [*others, 30])
    assert found.note == "1 pairs with infinite or missing values left out"
    assert found.p == compare_paired(values, others).p


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="2 values, but 3"):
        compare_paired([1, 2], [1, 2, 3])
