import json
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from clinica_t1nce.errors import DeviceError, TrainingError, WeightsError
from clinica_t1nce.models.cards import load_weights
from clinica_t1nce.synthesis import Synthesizer
from clinica_t1nce.training.module import Optimisation
from clinica_t1nce.training.run import Settings, train_on_label_maps
from tests.data.heads import label_map

SETTINGS = Settings(
    name="tiny",
    optimisation=Optimisation(steps=6, warm_up=2),
    widths=(4, 8, 8),
    patch=16,
    validation_pairs=1,
    save_every=2,
    validate_every=3,
)


@pytest.fixture(scope="module")
def label_maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels")
    labels = nib.Nifti1Image(label_map().astype(np.int16), np.eye(4))
    nib.save(labels, folder / "head-01_dseg.nii.gz")
    return folder


def train(label_maps: Path, output: Path, settings: Settings = SETTINGS, **options) -> Path:
    return train_on_label_maps(label_maps, output, settings, device="cpu", workers=0, **options)


@pytest.fixture(scope="module")
def finished(label_maps: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that went through."""
    output = tmp_path_factory.mktemp("finished") / "run"
    weights = train(label_maps, output, command="the command")
    assert weights == output / "tiny.safetensors"
    return output


def test_training_ends_with_weights_that_work(finished: Path) -> None:
    weights = finished / "tiny.safetensors"
    _, card = load_weights(weights)
    assert card.architecture == "change-unet"
    assert card.hyperparameters["widths"] == [4, 8, 8]
    assert card.training["command"] == "the command"
    assert "head-01_dseg.nii.gz" in card.training["data"]
    volume = np.random.default_rng(0).random((16, 16, 16), dtype=np.float32)
    assert Synthesizer.load(weights, "cpu")(volume).image.shape == (16, 16, 16)
    metrics = (finished / "log" / "metrics.csv").read_text()
    assert "validation_loss" in metrics.splitlines()[0]


def test_kept_weights_are_the_running_average(finished: Path) -> None:
    last = torch.load(finished / "checkpoints" / "last.ckpt", weights_only=True)
    kept, _ = load_weights(finished / "tiny.safetensors")
    state, name = last["state_dict"], "stem.weight"
    assert torch.equal(kept.state_dict()[name], state[f"average.module.{name}"])
    assert not torch.equal(kept.state_dict()[name], state[f"network.{name}"])


def test_configuration_is_written(finished: Path) -> None:
    written = json.loads((finished / "config.json").read_text())
    assert written["settings"]["optimisation"]["steps"] == 6
    # The metadata of some builds leaves out what follows the plus sign.
    assert written["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_folder_of_another_run_is_refused(finished: Path, label_maps: Path) -> None:
    with pytest.raises(TrainingError, match=r"other settings.*patch"):
        train(label_maps, finished, replace(SETTINGS, patch=24))


def test_interrupted_training_ends_as_an_uninterrupted_one(
    finished: Path, label_maps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Exception):
        pass

    from clinica_t1nce.training import run

    keep = run._KeepWeights.on_train_batch_end

    def interrupt(self, trainer, *args, **kwargs):
        keep(self, trainer, *args, **kwargs)
        if trainer.global_step == 5:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(run._KeepWeights, "on_train_batch_end", interrupt)
        with pytest.raises(Interrupted):
            train(label_maps, tmp_path / "broken")
    resumed, _ = load_weights(train(label_maps, tmp_path / "broken"))
    # What was logged before the interruption is still there.
    assert (tmp_path / "broken" / "log" / "metrics.csv").stat().st_size > 0
    assert (tmp_path / "broken" / "log-from-4" / "metrics.csv").stat().st_size > 0
    whole, _ = load_weights(finished / "tiny.safetensors")
    for name, tensor in whole.state_dict().items():
        assert torch.allclose(tensor, resumed.state_dict()[name], atol=1e-6), name


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"preset": "att-unet-light", "widths": None}, TrainingError),
        ({"preset": "no-such-net"}, WeightsError),
        ({"name": "a/b"}, WeightsError),
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_once(
    change: dict, error: type, label_maps: Path, tmp_path: Path
) -> None:
    with pytest.raises(error):
        train(label_maps, tmp_path / "run", replace(SETTINGS, **change))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damaged", ["config.json", "checkpoints/last.ckpt"])
def test_damaged_run_is_named(
    damaged: str, finished: Path, label_maps: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / damaged).write_bytes(b"no such thing")
    with pytest.raises(TrainingError, match=damaged.replace(".", r"\.")):
        train(label_maps, run)


def test_device_that_is_not_there(label_maps: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(DeviceError, match="cuda"):
        train_on_label_maps(label_maps, tmp_path / "run", SETTINGS, device="cuda")
    assert not (tmp_path / "run").exists()


def test_loss_that_is_no_number_ends_the_run(
    label_maps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clinica_t1nce.training.module import GeneratorTraining

    monkeypatch.setattr(
        GeneratorTraining, "_loss", lambda self, net, batch: next(net.parameters()).sum() * np.nan
    )
    with pytest.raises(TrainingError, match="nan"):
        train(label_maps, tmp_path / "run")
