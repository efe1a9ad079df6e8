"""How far the volumes of an image can stand for those of the real T1nce."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from clinica_t1nce.evaluation.frames import PAIR, by_set
from clinica_t1nce.evaluation.registration import resample_cubic
from clinica_t1nce.evaluation.statistics import MIN_PAIRS

if TYPE_CHECKING:
    import pandas as pd

FLOOR = ("moved 0.5 mm", "gain ±10 %")
"""What :func:`disturb` does to a T1nce, in its order."""

SHIFT = 0.5
"""mm by which an image is moved for the noise floor."""

GAIN = 0.1
"""Part of its intensity by which an image gains at one end, and loses at the other."""

_ALIKE = 1e-20
"""Mean square, relative to another, that is rounding alone."""

LEVEL = 0.95
"""Confidence of the intervals."""

LIMITS = 1.96
"""Standard deviations of the differences on each side of the bias, for the limits of agreement."""


@dataclass(frozen=True)
class Correlation:
    """An intraclass correlation.

    Attributes
    ----------
    icc
        Estimate; at most 1.
    low, high
        Ends of the 95 % confidence interval.
    """

    icc: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    """How the values of an image agree with those of a reference.

    Attributes
    ----------
    n
        Number of pairs.
    bias
        Mean difference, % of the reference; positive where the image over-estimates.
    bias_low, bias_high
        Ends of the 95 % confidence interval of `bias`, from Student's t.
    limit_low, limit_high
        Limits of agreement (Bland and Altman 1986), %: `bias` -/+ 1.96 standard deviations of the
        differences; of 95 pairs in 100 the difference lies between them.
    icc, icc_low, icc_high
        Intraclass correlation ICC(A,1) of the values themselves, and its 95 % interval.

    Notes
    -----
    Of fewer than three pairs only `bias` is given; the rest is NaN.
    """

    n: int
    bias: float
    bias_low: float
    bias_high: float
    limit_low: float
    limit_high: float
    icc: float
    icc_low: float
    icc_high: float


def intraclass_correlation(values: np.ndarray) -> Correlation:
    """Estimate ICC(A,1): two-way model, absolute agreement, single measurement.

    ICC(A,1) of McGraw and Wong (1996), which is ICC(2,1) of Shrout and Fleiss (1979); the
    interval is McGraw and Wong's.

    Parameters
    ----------
    values
        n x k: one row a subject, one column a method; n and k at least 2.

    Returns
    -------
    Correlation
        NaN where no value differs from another; without an interval where no subject does.

    Examples
    --------
    >>> found = intraclass_correlation([[1, 2], [2, 3], [3, 4], [4, 5]])
    >>> round(found.icc, 3)
    0.769
    """
    from scipy import stats

    table = np.asarray(values, np.float64)
    n, k = table.shape
    mean = table.mean()
    between = k * np.square(table.mean(axis=1) - mean).sum()
    methods = n * np.square(table.mean(axis=0) - mean).sum()
    alone = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + mean
    rest = np.square(alone).sum()
    rows, columns, error = between / (n - 1), methods / (k - 1), rest / ((n - 1) * (k - 1))
    spread = rows + (k - 1) * error + k / n * (columns - error)
    if spread <= 0:
        return Correlation(*[float("nan")] * 3)
    icc = (rows - error) / spread
    # Up to rounding.
    if max(columns, error) <= _ALIKE * rows:
        return Correlation(1.0, 1.0, 1.0)
    if max(rows, error) <= _ALIKE * columns:
        return Correlation(0.0, float("nan"), float("nan"))
    # Satterthwaite's degrees of freedom of the denominator.
    a = k * icc / (n * (1 - icc))
    b = 1 + k * icc * (n - 1) / (n * (1 - icc))
    freedom = (a * columns + b * error) ** 2 / (
        (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    )
    quantile = (1 + LEVEL) / 2
    below = stats.f.ppf(quantile, n - 1, freedom)
    above = stats.f.ppf(quantile, freedom, n - 1)
    other = k * columns + (k * n - k - n) * error
    low = n * (rows - below * error) / (below * other + n * rows)
    high = n * (above * rows - error) / (other + n * above * rows)
    return Correlation(float(icc), float(low), float(high))


def measure_agreement(values: Sequence[float], reference: Sequence[float]) -> Agreement:
    """Say how far values can stand for those of a reference.

    Parameters
    ----------
    values, reference
        Values of images and reference, one a pair, in the same order; the reference exceeds 0.

    Raises
    ------
    ValueError
        If the lengths differ, or there is no pair.
    """
    from scipy import stats

    a, b = np.asarray(values, np.float64), np.asarray(reference, np.float64)
    if a.shape != b.shape or a.size == 0:
        raise ValueError(f"{a.size} values, but {b.size} of the reference")
    percent = 100 * (a - b) / b
    bias, n = float(percent.mean()), int(a.size)
    if n < MIN_PAIRS:
        return Agreement(n, bias, *[float("nan")] * 7)
    deviation = float(percent.std(ddof=1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * deviation / np.sqrt(n)
    found = intraclass_correlation(np.stack([a, b], axis=1))
    return Agreement(
        n=n,
        bias=bias,
        bias_low=bias - half,
        bias_high=bias + half,
        limit_low=bias - LIMITS * deviation,
        limit_high=bias + LIMITS * deviation,
        icc=found.icc,
        icc_low=found.low,
        icc_high=found.high,
    )


def disturb(volume: np.ndarray, affine: np.ndarray) -> list[np.ndarray]:
    """Disturb a T1nce as little as any two scans of one head differ.

    Segmented again, it tells how much of a difference is the segmentation's own: the noise floor.
    A factor for the whole image would change nothing, as no segmentation minds it; so the gain
    runs from 0.9 to 1.1 through the image.

    Parameters
    ----------
    volume
        Volume, 3-D, in any unit.
    affine
        Affine, 4 x 4, voxel indices to mm, RAS+.

    Returns
    -------
    list of numpy.ndarray
        float32, in the order of :data:`FLOOR`: the volume moved by 0.5 mm along the diagonal, with
        one resampling by a cubic B-spline; the volume times a ramp along its second axis.
    """
    movement = np.eye(4)
    movement[:3, 3] = SHIFT / np.sqrt(3)
    moved = resample_cubic(volume, affine, volume.shape, affine, movement)
    ramp = np.linspace(1 - GAIN, 1 + GAIN, volume.shape[1], dtype=np.float32)
    return [moved, volume.astype(np.float32) * ramp[None, :, None]]


def tabulate_agreement(frames: "Mapping[str, pd.DataFrame]") -> "pd.DataFrame":
    """Measure the agreement of each segmentation, image and structure with the T1nce's, by sets.

    Parameters
    ----------
    frames
        Tables of :func:`clinica_t1nce.evaluation.frames.collect`; of `dice` the first alignment
        counts. The rows of ``noise_floor`` follow those of the images.

    Returns
    -------
    pandas.DataFrame
        One row a set, segmentation, structure and image: their columns, the fields of
        :class:`Agreement` (``bias`` as ``volume_bias``), ``absolute`` (mean absolute difference,
        the paper's, cm3) and ``mean_dice``.
    """
    import pandas as pd

    key = [*PAIR[:3], "segmentation", "tissue", "image"]
    overlap = frames["dice"]
    overlap = overlap[overlap["alignment"].isin(overlap["alignment"].head(1))]
    volumes = frames["volumes"].merge(overlap[[*key, "dice"]], "left", key)
    if not frames["noise_floor"].empty:
        volumes = pd.concat([volumes, frames["noise_floor"]])
    rows = []
    for set_name, members in by_set(volumes).items():
        order = {
            column: pd.Categorical(members[column], members[column].unique())
            for column in ("segmentation", "tissue")
        }
        groups = members.assign(**order).sort_values(list(order), kind="stable")
        by = [*order, "image"]
        for (method, tissue, image), part in groups.groupby(by, sort=False, observed=True):
            found = asdict(measure_agreement(part["volume"], part["volume_t1nce"]))
            bias = {f"volume_{name}": found.pop(name) for name in ("bias", "bias_low", "bias_high")}
            rows.append(
                {"set": set_name, "segmentation": method, "tissue": tissue, "image": image}
                | {"n": found.pop("n")}
                | bias
                | found
                | {"absolute": part["avd"].mean(), "mean_dice": part["dice"].mean()}
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


COLUMNS = (
    *("set", "segmentation", "tissue", "image", "n"),
    *("volume_bias", "volume_bias_low", "volume_bias_high"),
    *("limit_low", "limit_high", "icc", "icc_low", "icc_high", "absolute", "mean_dice"),
)
"""Columns of the table of agreement."""
