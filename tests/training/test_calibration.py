from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from clinica_t1nce.models import registry
from clinica_t1nce.models.cards import Card, load_weights, save_weights
from clinica_t1nce.synthesis import Synthesizer
from clinica_t1nce.training import calibration
from clinica_t1nce.training.calibration import Trial
from tests.data.heads import label_map


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
    found = calibration.fit(trials[:40])
    report = calibration.report(found, trials[40:])
    assert report["auc"] == 1
    assert report["brier"] < 0.05
    assert report["t1ce_left_alone"] == report["t1nce_changed"] == 0
    assert report["spearman"] > 0.9
    table = found["confidence"]
    assert table["confidence"] == sorted(table["confidence"], reverse=True)
    assert table["confidence"][0] == pytest.approx(0.77, abs=0.08)


def test_the_report_tells_a_bad_detector(trials: list[Trial]) -> None:
    found = calibration.fit(trials)
    found["gadolinium"]["weights"] = [-w for w in found["gadolinium"]["weights"]]
    found["gadolinium"]["intercept"] *= -1
    report = calibration.report(found, trials)
    assert report["auc"] == 0
    assert report["t1ce_left_alone"] == 1


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
    assert found["held_out"]["heads"] == 2
    volume = np.random.default_rng(0).random((16, 16, 16)).astype(np.float32)
    assert 0 <= Synthesizer.load(weights, "cpu")(volume).gadolinium <= 1
