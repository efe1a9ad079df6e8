"""Fit what a generator's card says of gadolinium and confidence, on simulated heads.

Each head is drawn once and shown twice, with and without gadolinium. What the generator would
remove from the two is what a detector has to tell apart; how much of the enhancement it really
removed is what its uncertainty has to foretell. No real image is used.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.storage import load_weights, save_weights
from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.simulator import Pair, render, sample_recipe
from clinica_t1nce.synthesis.detector import HEAD, Detector, confidence_table, describe
from clinica_t1nce.synthesis.synthesizer import Synthesizer
from clinica_t1nce.training.data.anatomies import find_label_maps, load_heads
from clinica_t1nce.volumes import intensity

logger = logging.getLogger("clinica_t1nce")

_SEED = 770_001
_KNOTS = 6
_BAR = (0.3, 0.9)
"""Within which the probability lies above which the whole change is made."""

_QUANTILES = (0.5, 0.55, 0.6, 0.65)
"""Of the enhancement, tried as what is removed."""

_WEAK = 0.01
"""Mean enhancement, in units of white matter, below which a head counts as without."""


@dataclass(frozen=True)
class Trial:
    """What a generator made of one simulated head.

    Attributes
    ----------
    enhanced
        Whether the image shown had gadolinium.
    description
        From :func:`clinica_t1nce.synthesis.detector.describe`.
    uncertainty
        From :class:`clinica_t1nce.synthesis.synthesizer.Synthesis`.
    share
        Part of the enhancement inside the skull that was removed, net of what was removed
        wrongly: 1 minus the mean absolute error of the change over the mean enhancement. NaN
        where there was none.
    """

    enhanced: bool
    description: np.ndarray
    uncertainty: float
    share: float


def calibrate(weights: Path, folder: Path, cache: Path, heads: int = 60) -> dict[str, Any]:
    """Fit detector and confidence of a generator, and write them on its card.

    Of a generator that gives quantiles of the enhancement, the one that is removed is chosen
    first, see :func:`choose_quantile`.

    Parameters
    ----------
    weights
        A ``.safetensors`` file with its card.
    folder
        Label maps, ``*_dseg.nii.gz``.
    cache
        For the prepared label maps.
    heads
        How many to simulate; a third of them is kept to report on.

    Returns
    -------
    dict
        The calibration: ``gadolinium`` and ``confidence`` as the card holds them, and ``held_out``
        with the area under the receiver operating characteristic, the Brier score, and Spearman's
        correlation of confidence and the share truly removed, on the heads kept apart.
    """
    module, card = load_weights(weights)
    card = replace(card, calibration={})
    anatomies = load_heads(find_label_maps(folder), cache)
    if len(getattr(module, "quantiles", ())) > 1:
        quantile = choose_quantile(module, card, whole_heads(anatomies, heads // 3))
        logger.info("quantile %s of the enhancement is removed", quantile)
        card = replace(card, inference={**card.inference, "quantile": quantile})
    synthesizer = Synthesizer(module, card)
    trials = []
    for number, pair in enumerate(whole_heads(anatomies, heads), 1):
        trials += try_out(synthesizer, pair)
        logger.info("head %d of %d", number, heads)
    n_fit = 2 * (heads - heads // 3)
    calibration = fit(trials[:n_fit])
    held_out = report(calibration, trials[n_fit:])
    calibration["held_out"] = {"heads": heads // 3, **held_out}
    save_weights(weights, module, replace(card, calibration=calibration))
    return calibration


def choose_quantile(module: nn.Module, card: Card, pairs: Iterable[Pair]) -> float:
    """Say which quantile of the enhancement comes nearest to it inside the skull.

    Parameters
    ----------
    module, card
        A generator that gives quantiles.
    pairs
        With gadolinium.

    Returns
    -------
    float
        Of 0.5, 0.55, 0.6 and 0.65 that of the smallest absolute error, relative to each pair's
        enhancement: else the few heads that enhance most would decide for all.
    """
    synthesizers = {
        quantile: Synthesizer(
            module, replace(card, inference={**card.inference, "quantile": quantile})
        )
        for quantile in _QUANTILES
    }
    errors = dict.fromkeys(synthesizers, 0.0)
    for pair in pairs:
        # Below 0 is noise, that no image stores.
        volume, truth = pair.t1ce[0].numpy().clip(min=0), pair.enhancement[0].numpy()
        brain = pair.intracranial[0].numpy() & (volume > 0)
        total = max(float(truth[brain].sum(dtype=np.float64)), _WEAK * brain.sum())
        for quantile, synthesizer in synthesizers.items():
            error = np.abs(synthesizer(volume).change - truth)[brain]
            errors[quantile] += float(error.sum(dtype=np.float64)) / total
    return min(errors, key=lambda quantile: errors[quantile])


def whole_heads(anatomies: Sequence[Anatomy], count: int) -> Iterator[Pair]:
    """Simulate whole heads, all with gadolinium, each anatomy in turn."""
    for number in range(count):
        anatomy = anatomies[number % len(anatomies)]
        shape = tuple(anatomy.tissue.shape)
        rng = np.random.default_rng(_SEED + number)
        recipe = sample_recipe(rng, anatomy, shape).about([side // 2 for side in shape])
        yield render(replace(recipe, enhanced=True), anatomy, shape)


def try_out(synthesizer: Synthesizer, pair: Pair) -> list[Trial]:
    """Show a generator both images of a pair."""
    skull = pair.intracranial[0].numpy()
    return [
        _try_out(synthesizer, image[0].numpy(), enhancement[0].numpy(), skull, enhanced)
        for image, enhancement, enhanced in (
            (pair.t1ce, pair.enhancement, True),
            (pair.t1nce, pair.enhancement * 0, False),
        )
    ]


def _try_out(
    synthesizer: Synthesizer,
    volume: np.ndarray,
    enhancement: np.ndarray,
    skull: np.ndarray,
    enhanced: bool,
) -> Trial:
    # Below 0 is noise, that no image stores.
    volume = volume.clip(min=0)
    found = synthesizer(volume)
    # What enhances in the nose or the scalp matters to nobody who measures brains.
    brain = skull & (volume > 0)
    truth = float(enhancement[brain].mean(dtype=np.float64))
    error = float(np.abs(found.change - enhancement)[brain].mean(dtype=np.float64))
    scaled = intensity.measure(volume, **synthesizer.card.scaling).apply(volume)
    factor = np.float32(found.scaling.factor)
    return Trial(
        enhanced and truth > _WEAK,
        describe(found.change / factor, scaled > HEAD, found.uncertainty),
        found.uncertainty or 0.0,
        1 - error / truth if truth > _WEAK else float("nan"),
    )


def fit(trials: Sequence[Trial]) -> dict[str, Any]:
    """Fit a logistic regression, and a falling table from uncertainty to the share removed."""
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression

    features = np.array([trial.description for trial in trials])
    mean, scale = features.mean(0), features.std(0) + 1e-6
    model = LogisticRegression(C=1.0).fit(
        (features - mean) / scale, [trial.enhanced for trial in trials]
    )
    # In units of the features themselves, so that the card needs neither mean nor scale.
    weights = model.coef_[0] / scale
    intercept = float(model.intercept_[0] - np.dot(weights, mean))
    gadolinium: dict[str, Any] = {
        "weights": [round(float(w), 5) for w in weights],
        "intercept": intercept,
    }
    sure = Detector(**gadolinium)
    # Nineteen of twenty T1ce get the whole change; the less sure the detector, the lower the bar.
    bar = np.percentile([sure.probability(t.description) for t in trials if t.enhanced], 5)
    gadolinium["whole_above"] = round(float(np.clip(bar, *_BAR)), 4)
    gadolinium["unchanged_below"] = round(gadolinium["whole_above"] / 3, 4)
    known = sorted((t.uncertainty, t.share) for t in trials if np.isfinite(t.share))
    uncertainty, share = (np.array(values) for values in zip(*known, strict=True))
    falling = IsotonicRegression(y_min=0, y_max=1, increasing=False).fit(uncertainty, share)
    knots = np.quantile(uncertainty, np.linspace(0.05, 0.95, _KNOTS))
    return {
        "gadolinium": gadolinium,
        "confidence": {
            "uncertainty": [round(float(u), 5) for u in knots],
            "confidence": [round(float(c), 4) for c in falling.predict(knots)],
        },
    }


def report(calibration: dict[str, Any], trials: Sequence[Trial]) -> dict[str, float]:
    """Measure a calibration on trials that it was not fitted on."""
    from scipy.stats import spearmanr
    from sklearn.metrics import brier_score_loss, roc_auc_score

    detector = Detector.from_card(calibration)
    assert detector is not None
    table = confidence_table(calibration)
    assert table is not None
    truth = [trial.enhanced for trial in trials]
    found = [detector.probability(trial.description) for trial in trials]
    known = [trial for trial in trials if np.isfinite(trial.share)]
    confidence = np.interp([trial.uncertainty for trial in known], *table)
    openings = np.array([detector.opening(p) for p in found])
    shares = np.array([trial.share for trial in known])
    # A confidence that never changes says nothing.
    varied = min(np.ptp(confidence), np.ptp(shares)) > 0
    spearman = float(spearmanr(confidence, shares).statistic) if varied else 0.0
    return {
        "auc": round(float(roc_auc_score(truth, found)), 4),
        "brier": round(float(brier_score_loss(truth, found)), 4),
        "t1ce_left_alone": round(float((openings[truth] < 0.5).mean()), 4),
        "t1nce_changed": round(float((openings[~np.array(truth)] > 0.5).mean()), 4),
        "spearman": round(spearman, 3),
    }
