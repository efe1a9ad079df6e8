"""How well acquired and synthetic images of a homogenised data set can be told apart."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from clinica_t1nce.errors import SelectionError
from clinica_t1nce.evaluation.similarity import measure_blur
from clinica_t1nce.volumes.grids import nonzero_box
from clinica_t1nce.volumes.intensity import foreground

N_BANDS = 8
"""Bands of the spectrum, from no frequency to the Nyquist frequency of each axis."""

N_FOLDS, N_REPEATS = 5, 10
"""Folds of the cross-validation, and times that it is drawn anew."""

N_BOOTSTRAP = 1000
"""Samples of participants for the interval."""

LEVEL = 0.95

ALL = "all"
"""Name of all sets of features together."""


@dataclass(frozen=True)
class Separability:
    """How well a classifier tells acquired from synthetic images.

    Attributes
    ----------
    n_acquired, n_synthetic
        Number of images.
    auc
        Area under the ROC curve of scores for images that the classifier has not seen: 0.5 is
        chance, 1 perfect. Below 0.5 there is nothing to learn either.
    low, high
        Ends of the 95 % interval of `auc`, from a bootstrap of participants.
    accuracy
        Mean of the two shares of images that are recognised, 0 to 1.
    """

    n_acquired: int
    n_synthetic: int
    auc: float
    low: float
    high: float
    accuracy: float


def _sharpness_features(volume: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    values = volume.astype(np.float64)
    spread = float(values[mask].std())
    steps = [np.diff(values, axis=axis) for axis in range(3)]
    # Both of two neighbours in the mask.
    inside = [np.all(sliding_window_view(mask, 2, axis), axis=-1) for axis in range(3)]
    squares = np.concatenate([step[where] for step, where in zip(steps, inside, strict=True)]) ** 2
    bends = np.diff(steps[0], axis=0)[inside[0][1:] & inside[0][:-1]]
    return {
        "blur": measure_blur(volume, mask),
        "gradient": float(squares.mean()) / spread**2,
        "noise": 1.4826 * float(np.median(np.abs(bends))) / spread,
    }


def _spectrum(volume: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    box = nonzero_box(mask)
    inside = mask[box]
    values = np.where(inside, volume[box] - volume[mask].mean(), 0).astype(np.float64)
    for axis, length in enumerate(values.shape):
        window = np.hanning(length + 2)[1:-1]
        values *= window.reshape([-1 if a == axis else 1 for a in range(3)])
    power = np.abs(np.fft.rfftn(values)) ** 2
    axes = [np.fft.fftfreq(n) for n in values.shape[:2]] + [np.fft.rfftfreq(values.shape[2])]
    radius = np.sqrt(sum(np.square(a) for a in np.meshgrid(*axes, indexing="ij", sparse=True)))
    band = np.minimum((radius / 0.5 * N_BANDS).astype(int), N_BANDS)
    sums = np.bincount(band.ravel(), power.ravel(), N_BANDS + 1)[:N_BANDS]
    shares = np.log10(np.maximum(sums / sums.sum(), 1e-12))
    return {f"band{number}": float(share) for number, share in enumerate(shares, start=1)}


def measure_image(volume: np.ndarray) -> dict[str, dict[str, float]]:
    """Measure what a classifier sees of an image, with no other image at hand.

    Parameters
    ----------
    volume
        Volume, 3-D, in any unit.

    Returns
    -------
    dict
        ``sharpness`` and ``spectrum``, each a mapping of features.
    """
    mask = foreground(volume)
    return {
        "sharpness": _sharpness_features(volume, mask),
        "spectrum": _spectrum(volume, mask),
    }


def check_numbers(synthetic: Sequence[bool], participants: Sequence[str]) -> None:
    """Raise SelectionError unless five participants have images of each kind.

    Parameters
    ----------
    synthetic, participants
        Whether each image is synthetic, and its participant.
    """
    for kind, name in ((True, "synthetic"), (False, "acquired")):
        there = {who for who, made in zip(participants, synthetic, strict=True) if made == kind}
        if len(there) < N_FOLDS:
            raise SelectionError(
                f"{len(there)} participants with {name} images; an audit needs {N_FOLDS} with "
                "each kind"
            )


def separate(
    features: Sequence[Mapping[str, float]],
    synthetic: Sequence[bool],
    participants: Sequence[str],
    *,
    seed: int = 0,
) -> Separability:
    """Let a classifier tell acquired from synthetic images, and see how well it does.

    Logistic regression with the default ridge penalty on standardised features, both kinds of
    image weighted equally; 5-fold cross-validation, repeated 10 times, in which nobody is on
    both sides.

    Parameters
    ----------
    features
        Features of each image, the same for all.
    synthetic
        Whether each image is synthetic.
    participants
        Participant of each image.
    seed
        Seed of the folds and of the bootstrap.

    Returns
    -------
    Separability

    Raises
    ------
    SelectionError
        If fewer than five participants have images of one kind.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    check_numbers(synthetic, participants)
    x = np.array([list(each.values()) for each in features], np.float64)
    y, groups = np.asarray(synthetic, bool), np.asarray(participants)
    scores = np.zeros(len(y))
    for repeat in range(N_REPEATS):
        folds = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed + repeat)
        for train, test in folds.split(x, y, groups):
            classifier = make_pipeline(
                StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
            )
            classifier.fit(x[train], y[train])
            scores[test] += classifier.predict_proba(x[test])[:, 1] / N_REPEATS
    low, high = _bootstrap_interval(scores, y, groups, seed)
    return Separability(
        n_acquired=int((~y).sum()),
        n_synthetic=int(y.sum()),
        auc=_auc(scores, y),
        low=low,
        high=high,
        accuracy=float(balanced_accuracy_score(y, scores >= 0.5)),
    )


def _bootstrap_interval(
    scores: np.ndarray, synthetic: np.ndarray, groups: np.ndarray, seed: int
) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    found = []
    for _ in range(N_BOOTSTRAP):
        drawn = rng.integers(len(members), size=len(members))
        chosen = np.concatenate([members[number] for number in drawn])
        if 0 < synthetic[chosen].sum() < len(chosen):
            found.append(_auc(scores[chosen], synthetic[chosen]))
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _auc(scores: np.ndarray, synthetic: np.ndarray) -> float:
    """Give the area under the ROC curve: how often a synthetic image has the higher score."""
    from scipy.stats import rankdata

    n = int(synthetic.sum())
    above = rankdata(scores)[synthetic].sum() - n * (n + 1) / 2
    return float(above / (n * (len(scores) - n)))


def audit(
    features: Sequence[Mapping[str, Mapping[str, float]]],
    synthetic: Sequence[bool],
    participants: Sequence[str],
) -> dict[str, Separability]:
    """Audit each set of features, and all of them together.

    Parameters
    ----------
    features
        Sets of features of each image, by name; a set that not every image has is left out.
    synthetic, participants
        Labels and participants, as :func:`separate` takes them.

    Returns
    -------
    dict
        Separability by the name of the set, that of :data:`ALL` last.

    Raises
    ------
    SelectionError
        As :func:`separate`.
    """
    names = [name for name in features[0] if all(name in each for each in features)]
    tables = {name: [each[name] for each in features] for name in names}
    tables[ALL] = [
        {f"{name} {key}": value for name in names for key, value in each[name].items()}
        for each in features
    ]
    with warnings.catch_warnings():
        # Of folds that a small data set cannot balance.
        warnings.simplefilter("ignore", UserWarning)
        return {name: separate(rows, synthetic, participants) for name, rows in tables.items()}
