"""Fit what a generator's card says of gadolinium and confidence.

Each anatomy, simulated or real, is shown twice, with and without gadolinium. What the generator
would remove from the two is what a detector has to tell apart; how much of the enhancement it
really removed is what its uncertainty has to foretell.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from clinica_t1nce.bids.pairs import PairFiles
from clinica_t1nce.errors import ImageError, TrainingError
from clinica_t1nce.files import nifti
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.storage import load_weights, save_weights
from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.simulator import SimulatedPair, render, sample_recipe
from clinica_t1nce.synthesis.detector import HEAD, Detector, confidence_table, measure_features
from clinica_t1nce.synthesis.synthesizer import Synthesis, Synthesizer
from clinica_t1nce.training.data.fitted_pairs import ENHANCING, fit_pair
from clinica_t1nce.training.data.simulated import find_label_maps, load_anatomies
from clinica_t1nce.volumes import grids, intensity

logger = logging.getLogger("clinica_t1nce")

_SEED = 770_001
_KNOTS = 6
_BAR = (0.3, 0.9)
"""Range of the probability above which the whole change is made."""

_QUANTILES = (0.5, 0.55, 0.6, 0.65)
"""Quantiles of the enhancement, tried as what is removed."""

_FEWEST_MEASURED = 2
"""Real pairs from which a confidence can be fitted, each told by the other."""

_WEAK = 0.01
"""Mean enhancement, in units of white matter, below which an image counts as without."""


@dataclass(frozen=True)
class Trial:
    """What a generator made of one simulated head.

    Attributes
    ----------
    enhanced
        Whether the image shown had gadolinium.
    description
        Description by :func:`clinica_t1nce.synthesis.detector.measure_features`.
    uncertainty
        Uncertainty of the :class:`clinica_t1nce.synthesis.synthesizer.Synthesis`.
    share
        Fraction of the enhancement inside the skull that was removed, net of what was removed
        wrongly: 1 minus the mean absolute error of the change over the mean enhancement. NaN
        where there was none.
    """

    enhanced: bool
    description: np.ndarray
    uncertainty: float
    share: float


def calibrate(
    weights: Path,
    folder: Path | None,
    cache: Path,
    heads: int = 60,
    real: Sequence[PairFiles] = (),
    measured: Sequence[PairFiles] = (),
) -> dict[str, Any]:
    """Fit detector and confidence of a generator, and write them on its card.

    Of a generator that gives quantiles of the enhancement and was not trained on real pairs, the
    one that is removed is chosen first, see :func:`choose_quantile`. With real pairs the
    generator is taken to leave a T1nce alone by itself: the detector gives a figure, and changes
    no image.

    Parameters
    ----------
    weights
        File of the weights, ``.safetensors``, with its card.
    folder
        Folder of label maps, ``*_dseg.nii.gz``; None: no head is simulated.
    cache
        Folder for prepared label maps.
    heads
        Number of heads to simulate.
    real
        Real pairs that the detector is fitted on; the generator may have been trained on them.
    measured
        Real pairs that the confidence is fitted on as well, never trained on.

    Returns
    -------
    dict
        Calibration: ``gadolinium`` and ``confidence`` as the card holds them, and ``held_out``
        with the area under the receiver operating characteristic, the Brier score, and Spearman's
        correlation of confidence and the share truly removed, each head predicted by what was
        fitted on four fifths of the others.

    Raises
    ------
    TrainingError
        If there is neither a label map nor a real pair, or a pair cannot be used.
    """
    if folder is None and len(measured) < _FEWEST_MEASURED:
        raise TrainingError(
            f"{len(measured)} real pairs that the weights were not trained on: the confidence "
            f"takes {_FEWEST_MEASURED} (rows of the split validation), or LABEL_MAPS"
        )
    module, card = load_weights(weights)
    card = replace(card, calibration={})
    anatomies = [] if folder is None else load_anatomies(find_label_maps(folder), cache)
    if not real and len(getattr(module, "quantiles", ())) > 1:
        quantile = choose_quantile(module, card, whole_heads(anatomies, heads // 3))
        logger.info("quantile %s of the enhancement is removed", quantile)
        card = replace(card, inference=replace(card.inference, quantile=quantile))
    synthesizer = Synthesizer(module, card)
    simulated = []
    for number, pair in enumerate(whole_heads(anatomies, heads if anatomies else 0), 1):
        simulated += try_out(synthesizer, pair)
        logger.info("head %d of %d", number, heads)
    trials = [*simulated]
    for pair_files in [*real, *measured]:
        found = try_out_real(synthesizer, pair_files)
        if pair_files not in measured:
            # How much is removed from what was trained on says nothing of other images.
            found = [replace(trial, share=float("nan")) for trial in found]
        trials += found
        logger.info("%s", pair_files.name)
    gate = not real
    calibration = fit_calibration(trials, gate=gate)
    held_out = {"heads": len(simulated) // 2, **cross_validated(trials, gate=gate)}
    if real or measured:
        held_out["real_pairs"] = len(real) + len(measured)
    calibration["held_out"] = held_out
    save_weights(weights, module, replace(card, calibration=calibration))
    return calibration


def choose_quantile(module: nn.Module, card: Card, pairs: Iterable[SimulatedPair]) -> float:
    """Find which quantile of the enhancement comes nearest to it inside the skull.

    Parameters
    ----------
    module, card
        Generator that gives quantiles, and its card.
    pairs
        Pairs with gadolinium.

    Returns
    -------
    float
        Quantile, of 0.5, 0.55, 0.6 and 0.65, of the smallest absolute error, relative to each
        pair's enhancement: else the few pairs that enhance most would decide for all.
    """
    synthesizers = {
        quantile: Synthesizer(
            module, replace(card, inference=replace(card.inference, quantile=quantile))
        )
        for quantile in _QUANTILES
    }
    errors = dict.fromkeys(synthesizers, 0.0)
    for pair in pairs:
        volume, truth, brain = _stored(pair.t1ce, pair.enhancement, pair.intracranial)
        total = max(float(truth[brain].sum(dtype=np.float64)), _WEAK * brain.sum())
        for quantile, synthesizer in synthesizers.items():
            error = np.abs(synthesizer(volume).change - truth)[brain]
            errors[quantile] += float(error.sum(dtype=np.float64)) / total
    return min(errors, key=lambda quantile: errors[quantile])


def whole_heads(anatomies: Sequence[Anatomy], count: int) -> Iterator[SimulatedPair]:
    """Simulate whole heads, all with gadolinium, each anatomy in turn."""
    for number in range(count):
        anatomy = anatomies[number % len(anatomies)]
        shape = tuple(anatomy.tissue.shape)
        rng = np.random.default_rng(_SEED + number)
        recipe = sample_recipe(rng, anatomy, shape).about([side // 2 for side in shape])
        yield render(replace(recipe, enhanced=True), anatomy, shape)


def try_out(synthesizer: Synthesizer, pair: SimulatedPair) -> list[Trial]:
    """Show a generator both images of a simulated pair."""
    trials = []
    for image, enhancement, enhanced in (
        (pair.t1ce, pair.enhancement, True),
        (pair.t1nce, pair.enhancement * 0, False),
    ):
        volume, removable, brain = _stored(image, enhancement, pair.intracranial)
        found = synthesizer(volume)
        # What enhances in the nose or the scalp matters to nobody who measures brains.
        truth = float(removable[brain].mean(dtype=np.float64))
        error = float(np.abs(found.change - removable)[brain].mean(dtype=np.float64))
        share = 1 - error / truth if truth > _WEAK else float("nan")
        trials.append(_trial(synthesizer, volume, found, enhanced and truth > _WEAK, share))
    return trials


def try_out_real(synthesizer: Synthesizer, pair: PairFiles) -> list[Trial]:
    """Show a generator both images of a real pair.

    Raises
    ------
    TrainingError
        If the pair cannot be used.
    """
    assert pair.t1ce is not None and pair.t1nce is not None
    t1ce, t1nce = (nifti.load(path) for path in (pair.t1ce, pair.t1nce))
    try:
        x, y = (grids.to_ras(image.data, image.affine) for image in (t1ce, t1nce))
        prepared = fit_pair(x, y, synthesizer.card.scaling)
    except ImageError as error:
        raise TrainingError(f"{pair.name}: {error}; leave this pair out") from error
    volume, fitted, mask = prepared.volumes.astype(np.float32)
    inside = mask > 0
    left = np.abs(synthesizer(volume).image - fitted)[inside].sum(dtype=np.float64)
    before = np.abs(volume - fitted)[inside]
    enhancing = (volume - fitted)[inside] > ENHANCING * prepared.facts.deviation
    removable = before[enhancing].sum(dtype=np.float64)
    share = float((before.sum(dtype=np.float64) - left) / removable)
    return [
        _trial(synthesizer, x, synthesizer(x), True, share),
        _trial(synthesizer, y, synthesizer(y), False, float("nan")),
    ]


def _stored(*tensors: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn image, enhancement and inside of the skull into arrays; the last without the air."""
    volume, enhancement, skull = (tensor[0].numpy() for tensor in tensors)
    # Below 0 is noise, that no image stores.
    volume = volume.clip(min=0)
    return volume, enhancement, skull & (volume > 0)


def _trial(
    synthesizer: Synthesizer, volume: np.ndarray, found: Synthesis, enhanced: bool, share: float
) -> Trial:
    scaled = intensity.measure(volume, **synthesizer.card.scaling).apply(volume)
    factor = np.float32(found.scaling.factor)
    return Trial(
        enhanced,
        measure_features(found.change / factor, scaled > HEAD, found.uncertainty),
        found.uncertainty or 0.0,
        share,
    )


def fit_calibration(trials: Sequence[Trial], *, gate: bool = True) -> dict[str, Any]:
    """Fit a logistic regression, and a falling table from uncertainty to the share removed.

    Parameters
    ----------
    trials
        Trials of images with and without gadolinium.
    gate
        Whether an image that shows no gadolinium is to be left alone.
    """
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
        "unchanged_below": None,
        "whole_above": None,
    }
    if gate:
        sure = Detector(**gadolinium)
        # Nineteen of twenty T1ce get the whole change; the less sure, the lower the bar.
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


def cross_validated(
    trials: Sequence[Trial], *, gate: bool = True, folds: int = 5
) -> dict[str, float]:
    """Measure how well calibrations predict pairs that they were not fitted on.

    Parameters
    ----------
    trials
        Two trials of each pair, one after the other.
    gate
        Whether an image that shows no gadolinium is to be left alone.
    folds
        Number of parts, each predicted by what is fitted on the others.
    """
    fold_of = (np.arange(len(trials)) // 2) % folds
    predicted = []
    for fold in range(folds):
        kept = [trial for trial, own in zip(trials, fold_of, strict=True) if own != fold]
        apart = [trial for trial, own in zip(trials, fold_of, strict=True) if own == fold]
        calibration = fit_calibration(kept, gate=gate)
        predicted += [(trial, *_predict(calibration, trial)) for trial in apart]
    return _figures(predicted)


def report(calibration: dict[str, Any], trials: Sequence[Trial]) -> dict[str, float]:
    """Measure a calibration on trials that it was not fitted on."""
    return _figures([(trial, *_predict(calibration, trial)) for trial in trials])


def _predict(calibration: dict[str, Any], trial: Trial) -> tuple[float, float, float]:
    """Return probability, confidence, and the fraction of the change that would be made."""
    detector = Detector.from_card(calibration)
    table = confidence_table(calibration)
    assert detector is not None and table is not None
    probability = detector.probability(trial.description)
    confidence = float(np.interp(trial.uncertainty, *table))
    return probability, confidence, detector.fraction(probability)


def _figures(predicted: Sequence[tuple[Trial, float, float, float]]) -> dict[str, float]:
    from scipy.stats import spearmanr
    from sklearn.metrics import brier_score_loss, roc_auc_score

    truth = np.array([trial.enhanced for trial, *_ in predicted])
    probabilities, _, fractions = (
        np.array(v) for v in zip(*(f[1:] for f in predicted), strict=True)
    )
    known = [(trial.share, sure) for trial, _, sure, _ in predicted if np.isfinite(trial.share)]
    shares, confidence = (np.array(values) for values in zip(*known, strict=True))
    # A confidence that never changes says nothing.
    varied = min(np.ptp(confidence), np.ptp(shares)) > 0
    spearman = float(spearmanr(confidence, shares).statistic) if varied else 0.0
    return {
        "auc": round(float(roc_auc_score(truth, probabilities)), 4),
        "brier": round(float(brier_score_loss(truth, probabilities)), 4),
        "t1ce_left_alone": round(float((fractions[truth] < 0.5).mean()), 4),
        "t1nce_changed": round(float((fractions[~truth] > 0.5).mean()), 4),
        "spearman": round(spearman, 3),
    }
