"""Paired comparisons of measures: t-tests, Bonferroni correction, and what stands beside them."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MIN_PAIRS = 3
"""Fewer are not tested."""

ROUNDING = 1e-9
"""Differences that vary less than this, relative to the values, are equal."""


@dataclass(frozen=True)
class Comparison:
    """How the values of one method differ from those of another on the same pairs.

    Attributes
    ----------
    n
        Number of pairs compared.
    mean, sd, other_mean, other_sd
        Means and standard deviations (n - 1) of the two methods.
    difference
        Mean of value - other value.
    ci_low, ci_high
        Ends of the 95 % confidence interval of `difference`, from Student's t.
    effect_size
        Cohen's d of paired samples: `difference` over the standard deviation of the differences.
    t, p
        Statistic and p-value of the two-sided paired t-test.
    wilcoxon_p
        P-value of the two-sided Wilcoxon signed-rank test.
    normality_p
        P-value of the Shapiro-Wilk test of the differences: where it is small, rather trust
        Wilcoxon's.
    note
        Reasons why something could not be computed; empty if all was.

    Notes
    -----
    What could not be computed is NaN.
    """

    n: int
    mean: float
    sd: float
    other_mean: float
    other_sd: float
    difference: float
    ci_low: float
    ci_high: float
    effect_size: float
    t: float
    p: float
    wilcoxon_p: float
    normality_p: float
    note: str = ""


def compare_paired(values: Sequence[float], others: Sequence[float]) -> Comparison:
    """Compare two methods on the same pairs.

    Pairs in which a value is infinite (a PSNR of equal images) or missing are left out, and the
    note says how many. Of fewer than :data:`MIN_PAIRS` only means are given.

    Parameters
    ----------
    values, others
        Values of the two methods, one a pair, in the same order.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    a, b = np.asarray(values, np.float64), np.asarray(others, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"{a.size} values, but {b.size} to compare them with")
    usable = np.isfinite(a) & np.isfinite(b)
    notes = []
    if not usable.all():
        notes.append(f"{np.count_nonzero(~usable)} pairs with infinite or missing values left out")
    a, b = a[usable], b[usable]
    nan = float("nan")
    t, p, low, high, effect, wilcoxon_p, normality_p = (nan,) * 7
    difference = a - b
    if a.size < MIN_PAIRS:
        notes.append(f"fewer than {MIN_PAIRS} pairs: not tested")
    elif np.ptp(difference) <= ROUNDING * max(np.abs(a).max(), np.abs(b).max()):
        notes.append("all differences are equal: not tested")
    else:
        t, p, low, high = _t_test(a, b)
        effect = float(difference.mean() / difference.std(ddof=1))
        wilcoxon_p, normality_p = _other_tests(difference)
    return Comparison(
        n=int(a.size),
        mean=_mean_or_nan(a),
        sd=_deviation(a),
        other_mean=_mean_or_nan(b),
        other_sd=_deviation(b),
        difference=_mean_or_nan(difference),
        ci_low=low,
        ci_high=high,
        effect_size=effect,
        t=t,
        p=p,
        wilcoxon_p=wilcoxon_p,
        normality_p=normality_p,
        note="; ".join(notes),
    )


def bonferroni(p: float, n_comparisons: int) -> float:
    """Correct a p-value for the number of comparisons of its family; NaN of NaN.

    Examples
    --------
    >>> bonferroni(0.02, 3), bonferroni(0.5, 3)
    (0.06, 1.0)
    """
    return float("nan") if np.isnan(p) else min(1.0, p * n_comparisons)


def _t_test(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float, float]:
    from scipy import stats

    found = stats.ttest_rel(a, b)
    interval = found.confidence_interval(0.95)
    return float(found.statistic), float(found.pvalue), float(interval.low), float(interval.high)


def _other_tests(difference: np.ndarray) -> tuple[float, float]:
    from scipy import stats

    with warnings.catch_warnings():
        # Of ties and zeros in small samples: SciPy falls back to an approximation.
        warnings.simplefilter("ignore")
        return (
            float(stats.wilcoxon(difference).pvalue),
            float(stats.shapiro(difference).pvalue),
        )


def _mean_or_nan(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _deviation(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if values.size > 1 else float("nan")
