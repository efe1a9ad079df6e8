from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from clinica_t1nce.bids.pairs import PairFiles
from clinica_t1nce.errors import TrainingError
from clinica_t1nce.models import registry
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.storage import load_weights, save_weights
from clinica_t1nce.simulation.simulator import SimulatedPair
from clinica_t1nce.synthesis.detector import Detector
from clinica_t1nce.synthesis.synthesizer import Synthesizer
from clinica_t1nce.training import calibration
from clinica_t1nce.training.calibration import Trial
from tests.data.heads import label_map
from tests.data.volumes import enhance, folded, write


def trial(enhanced: bool, size: float, uncertainty: float, share: float) -> Trial:
    return Trial(enhanced, np.log(np.full(6, size)), uncertainty, share)


@pytest.fixture
def trials() -> list[Trial]:
    """Return heads whose change is ten times larger with gadolinium; less sure, less removed."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(30):
        uncertainty = rng.uniform(0.2, 1)
        found += [
            trial(True, rng.uniform(0.05, 0.2), uncertainty, 1 - uncertainty),
            trial(False, rng.uniform(0.005, 0.02), 1.0, float("nan")),
        ]
    return found


def test_detector_and_confidence_are_learnt(trials: list[Trial]) -> None:
    found = calibration.fit_calibration(trials[:40])
    report = calibration.report(found, trials[40:])
    assert report["auc"] == 1
    assert report["brier"] < 0.05
    assert report["t1ce_left_alone"] == report["t1nce_changed"] == 0
    assert report["spearman"] > 0.9
    table = found["confidence"]
    assert table["confidence"] == sorted(table["confidence"], reverse=True)
    assert table["confidence"][0] == pytest.approx(0.77, abs=0.08)


def test_the_report_tells_a_bad_detector(trials: list[Trial]) -> None:
    found = calibration.fit_calibration(trials)
    found["gadolinium"]["weights"] = [-w for w in found["gadolinium"]["weights"]]
    found["gadolinium"]["intercept"] *= -1
    report = calibration.report(found, trials)
    assert report["auc"] == 0
    assert report["t1ce_left_alone"] == 1


def test_each_head_is_predicted_by_the_others(trials: list[Trial]) -> None:
    report = calibration.cross_validated(trials)
    assert report["auc"] == 1
    assert report["spearman"] > 0.9
    # A head that is unlike all others is not known from itself.
    strange = [*trials, trial(True, 0.001, 0.5, 0.5), trial(False, 0.5, 1.0, float("nan"))]
    assert calibration.cross_validated(strange)["auc"] < 1


def test_without_a_gate_the_whole_change_is_made(trials: list[Trial]) -> None:
    found = calibration.fit_calibration(trials, gate=False)
    detector = Detector.from_card(found)
    assert detector is not None
    plain = trials[1].description
    assert detector.probability(plain) < 0.2
    assert detector.fraction(detector.probability(plain)) == 1
    assert calibration.report(found, trials)["t1nce_changed"] == 1
    with pytest.raises(ValueError, match="not a detector"):
        Detector.from_card({"gadolinium": {**found["gadolinium"], "whole_above": 0.5}})


def test_real_pairs_are_shown_as_they_are(tmp_path: Path) -> None:
    card = Card(name="steps", **registry.preset("change-unet-deep"))
    t1nce = folded()
    t1ce = enhance(t1nce)
    noise = 4 * np.random.default_rng(0).normal(size=t1nce.shape) * (t1nce > 0)
    pair = PairFiles(
        "sub-1",
        write(tmp_path / "ce.nii.gz", t1ce),
        write(tmp_path / "nce.nii.gz", (2 * (t1nce + noise)).clip(min=0).astype(np.float32)),
    )
    given, plain = calibration.try_out_real(Synthesizer(Steps(), card), pair)
    assert (given.enhanced, plain.enhanced) == (True, False)
    assert np.isnan(plain.share)
    # 0.2 is taken away everywhere: far more is spoilt than removed.
    assert given.share < 0
    # The T1nce has its own scale: of both the same is taken away.
    np.testing.assert_allclose(given.description[:2], plain.description[:2], atol=0.05)


class Steps(torch.nn.Module):
    """Gives three quantiles of the enhancement that are the same in every voxel."""

    quantiles = (0.25, 0.5, 0.75)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1, 1).expand(1, 3, *x.shape[2:])


def flat_pair(truth: float) -> SimulatedPair:
    # The 70th percentile is 1, so that scaled units are the image's.
    volume = torch.linspace(0.5, 1.2, 16**3).view(1, 16, 16, 16)
    volume = volume / np.percentile(volume, 70)
    everywhere = torch.ones_like(volume, dtype=torch.bool)
    return SimulatedPair(volume, torch.full_like(volume, truth), everywhere, everywhere)


@pytest.mark.parametrize(("truth", "quantile"), [(0.1, 0.5), (0.22, 0.55), (0.241, 0.6), (9, 0.65)])
def test_the_quantile_that_comes_nearest_is_chosen(truth: float, quantile: float) -> None:
    card = Card(name="steps", **registry.preset("change-unet-deep"))
    pair = flat_pair(truth)
    assert calibration.choose_quantile(Steps(), card, [pair, pair]) == quantile


def test_each_head_counts_alike_for_the_quantile() -> None:
    card = Card(name="steps", **registry.preset("change-unet-deep"))
    weak, strong = flat_pair(0.1), flat_pair(3.0)
    assert calibration.choose_quantile(Steps(), card, [weak, strong, strong]) == 0.5


def test_only_what_lies_inside_the_skull_counts_as_removed() -> None:
    card = Card(name="steps", **registry.preset("change-unet-deep"))
    volume = torch.linspace(0.5, 1.2, 16**3).view(1, 16, 16, 16)
    volume = volume / np.percentile(volume, 70)
    skull = torch.zeros_like(volume, dtype=torch.bool)
    skull[:, 8:] = True
    enhancement = torch.where(skull, 0.2, 3.0)
    pair = SimulatedPair(volume, enhancement, torch.ones_like(skull), skull)
    with_gadolinium, without = calibration.try_out(Synthesizer(Steps(), card), pair)
    assert with_gadolinium.share == pytest.approx(1, abs=1e-3)
    assert np.isnan(without.share)


def test_the_chosen_quantile_is_on_the_card(tmp_path: Path) -> None:
    hyperparameters = {"widths": [2, 4], "blocks": [1, 1], "quantiles": [0.25, 0.5, 0.75]}
    fields = registry.preset("change-unet-deep") | {"hyperparameters": hyperparameters}
    weights = tmp_path / "tiny.safetensors"
    save_weights(
        weights, registry.build("change-unet", **hyperparameters), Card(name="tiny", **fields)
    )
    maps = tmp_path / "maps"
    maps.mkdir()
    nib.save(nib.Nifti1Image(label_map().astype(np.int16), np.eye(4)), maps / "head_dseg.nii.gz")
    calibration.calibrate(weights, maps, tmp_path / "heads", heads=6)
    _, card = load_weights(weights)
    assert card.inference.quantile in (0.5, 0.55, 0.6, 0.65)
    assert card.inference.mirrors == tuple(map(tuple, fields["inference"]["mirrors"]))


def test_a_confidence_takes_pairs_that_were_not_trained_on(tmp_path: Path) -> None:
    weights = tmp_path / "tiny.safetensors"
    fields = registry.preset("change-unet") | {"hyperparameters": {"widths": [2, 4]}}
    network = registry.build("change-unet", widths=[2, 4])
    save_weights(weights, network, Card(name="tiny", **fields))
    pair = PairFiles("sub-1", tmp_path / "ce.nii.gz", tmp_path / "nce.nii.gz")
    with pytest.raises(TrainingError, match=r"^1 real pairs .* the confidence takes 2"):
        calibration.calibrate(weights, None, tmp_path, real=[pair] * 6, measured=[pair])


def test_weights_keep_and_card_gains(tmp_path: Path) -> None:
    torch.manual_seed(0)
    fields = registry.preset("change-unet") | {"hyperparameters": {"widths": [2, 4]}}
    network = registry.build("change-unet", widths=[2, 4])
    weights = tmp_path / "tiny.safetensors"
    save_weights(weights, network, Card(name="tiny", **fields))
    before = weights.read_bytes()
    maps = tmp_path / "maps"
    maps.mkdir()
    image = nib.Nifti1Image(label_map().astype(np.int16), np.eye(4))
    nib.save(image, maps / "head_dseg.nii.gz")
    found = calibration.calibrate(weights, maps, tmp_path / "heads", heads=6)
    assert weights.read_bytes() == before
    _, card = load_weights(weights)
    assert card.calibration == found
    assert found["held_out"]["heads"] == 6
    volume = np.random.default_rng(0).random((16, 16, 16)).astype(np.float32)
    assert 0 <= Synthesizer.load(weights, "cpu")(volume).gadolinium <= 1
