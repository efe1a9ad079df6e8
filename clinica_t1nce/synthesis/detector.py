"""Was gadolinium given? Read from what a generator would take away, and from nothing else.

A generator that was trained on images with and without gadolinium finds sinuses, plexus, dura and
vessels bright in a T1ce, and next to nothing in a T1nce. How much it would remove, and how much in
the voxels where it removes most, tells the two apart. The weights of this classification depend on
the generator: they stand on its card, fitted on simulated heads
(:mod:`clinica_t1nce.training.calibration`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
HEAD = 0.05
"""Fraction of white matter above which voxels are looked at."""

SIZE = 2 + len(PERCENTILES)
"""Numbers of a description."""

_FLOOR = 0.003
"""Added before taking logarithms: a change this small, in units of white matter, is none."""

_DOUBT_FLOOR = 0.1


def measure_features(
    change: np.ndarray, head: np.ndarray, uncertainty: float | None = None
) -> np.ndarray:
    """Summarise a change as logarithms: of its mean, its :data:`PERCENTILES`, its uncertainty.

    Parameters
    ----------
    change
        Change that a generator would make, 0 or more, in units of white matter.
    head
        Boolean mask of the same shape: voxels to look at. At least one.
    uncertainty
        Uncertainty of the :class:`clinica_t1nce.synthesis.Synthesis`: a generator is sure of what
        it removes from a T1ce, and of little that it removes from a T1nce. None counts as 1.

    Returns
    -------
    numpy.ndarray
        :data:`SIZE` float64 values.
    """
    inside = change[head]
    amounts = [inside.mean(dtype=np.float64), *np.percentile(inside, PERCENTILES)]
    doubt = 1.0 if uncertainty is None else uncertainty
    return np.append(np.log(np.maximum(amounts, 0.0) + _FLOOR), np.log(doubt + _DOUBT_FLOOR))


@dataclass(frozen=True)
class Detector:
    """Logistic regression on what :func:`measure_features` gives.

    Attributes
    ----------
    weights
        Weights, one for each value of the description.
    intercept
        Log-odds where all values are 0.
    unchanged_below, whole_above
        Probabilities between which a generator's change is faded in: an image that shows no
        gadolinium is left alone, one that surely does is changed as the generator says. None: the
        generator leaves a T1nce alone by itself, and its change is made whatever the probability.
    """

    weights: Sequence[float]
    intercept: float
    unchanged_below: float | None = 0.02
    whole_above: float | None = 0.5

    @classmethod
    def from_card(cls, calibration: Mapping[str, Any]) -> "Detector | None":
        """Take the detector of a card's ``calibration``; None where there is none.

        Raises
        ------
        ValueError
            If it is not one.
        """
        if "gadolinium" not in calibration:
            return None
        try:
            detector = cls(**calibration["gadolinium"])
            usable = (
                len(detector.weights) == SIZE
                and bool(np.isfinite([*detector.weights, detector.intercept]).all())
                and detector._gate_is_usable()
            )
        except TypeError:
            usable = False
        if not usable:
            raise ValueError("calibration.gadolinium is not a detector")
        return detector

    def _gate_is_usable(self) -> bool:
        if self.unchanged_below is None or self.whole_above is None:
            return self.unchanged_below is self.whole_above
        return 0 <= self.unchanged_below < self.whole_above <= 1

    def probability(self, description: np.ndarray) -> float:
        """Return the probability, 0 to 1, that gadolinium was given."""
        log_odds = float(np.dot(self.weights, description)) + self.intercept
        return float(1 / (1 + np.exp(-np.clip(log_odds, -50, 50))))

    def fraction(self, probability: float) -> float:
        """Return the fraction of the change to make: 0, 1, or smoothly in between."""
        if self.unchanged_below is None or self.whole_above is None:
            return 1.0
        span = self.whole_above - self.unchanged_below
        t = min(max((probability - self.unchanged_below) / span, 0.0), 1.0)
        return t * t * (3 - 2 * t)


def confidence_table(
    calibration: Mapping[str, Any],
) -> tuple[Sequence[float], Sequence[float]] | None:
    """Take the table from uncertainty to confidence of a card's ``calibration``.

    Returns
    -------
    tuple or None
        Rising uncertainties and the confidence at each, to be interpolated; None where there is
        none.

    Raises
    ------
    ValueError
        If it is no such table.
    """
    if "confidence" not in calibration:
        return None
    try:
        uncertainty = np.asarray(calibration["confidence"]["uncertainty"], float)
        confidence = np.asarray(calibration["confidence"]["confidence"], float)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("calibration.confidence is not a table") from error
    if (
        uncertainty.ndim != 1
        or uncertainty.shape != confidence.shape
        or uncertainty.size == 0
        or not (np.diff(uncertainty) >= 0).all()
        or not ((confidence >= 0) & (confidence <= 1)).all()
    ):
        raise ValueError("calibration.confidence is not a table")
    return uncertainty.tolist(), confidence.tolist()
