import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clinica_t1nce.errors import DeviceError, OutputError, TrainingError, WeightsError
from clinica_t1nce.files.text import read_rows
from clinica_t1nce.models import registry
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.storage import load_weights, save_weights
from clinica_t1nce.synthesis.synthesizer import Synthesizer
from clinica_t1nce.training import preflight
from clinica_t1nce.training.data.sources import LabelMaps, Mixed, RealPairs
from clinica_t1nce.training.data.surroundings import SimulatedSurroundings
from clinica_t1nce.training.fit import Machine
from clinica_t1nce.training.modules.generator import GeneratorTraining, Optimisation
from clinica_t1nce.training.run import network_of, pupil_of, train
from clinica_t1nce.training.settings import card_of, from_preset
from tests.data import volumes
from tests.training.small_runs import CPU, ON_MIXTURE, ON_PATCHES, on_volumes


def test_training_on_patches_ends_with_weights_that_work(on_patches: Path) -> None:
    weights = on_patches / "tiny.safetensors"
    _, card = load_weights(weights)
    assert card.architecture == "change-unet"
    assert card.hyperparameters["widths"] == [4, 8, 8]
    assert card.training["command"] == "the command"
    assert card.training["data"] == "pairs simulated from 1 label maps"
    volume = np.random.default_rng(0).random((16, 16, 16), dtype=np.float32)
    assert Synthesizer.load(weights, "cpu")(volume).image.shape == (16, 16, 16)


def test_training_on_pairs_ends_with_weights_that_work(on_pairs: Path) -> None:
    weights = on_pairs / "whole.safetensors"
    _, card = load_weights(weights)
    assert card.grid == (16, 16, 16)
    assert card.hyperparameters["grid"] == [16, 16, 16]
    assert card.training["data"] == "4 real pairs"
    assert "sub-" not in card.to_json()
    assert card.metrics["validation_loss"] > 0
    volume = volumes.brain()
    assert Synthesizer.load(weights, "cpu")(volume).image.shape == volume.shape


def test_losses_are_written(on_patches: Path, on_pairs: Path) -> None:
    lines = (on_pairs / "metrics.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["step", "epoch", "train_loss", "validation_loss"]
    assert [line.split("\t")[:2] for line in lines[1:]] == [["2", "1"], ["4", "2"], ["6", "3"]]
    lines = (on_patches / "metrics.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["step", "3", "6"]
    for run in (on_patches, on_pairs):
        assert list((run / "tensorboard").glob("events*"))


def test_pictures_are_drawn(on_patches: Path) -> None:
    (picture,) = (on_patches / "samples").iterdir()
    assert picture.name == "step-0000006.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_kept_weights_are_the_running_average(on_patches: Path) -> None:
    last = torch.load(on_patches / "checkpoints" / "last.ckpt", weights_only=True)
    kept, _ = load_weights(on_patches / "tiny.safetensors")
    state, name = last["state_dict"], "stem.weight"
    assert torch.equal(kept.state_dict()[name], state[f"average.module.{name}"])
    assert not torch.equal(kept.state_dict()[name], state[f"network.{name}"])


def test_best_weights_are_kept(
    pairs: RealPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 1.0, 2.0])
    monkeypatch.setattr(
        GeneratorTraining, "validation_losses", lambda *_: {"loss": torch.tensor(next(losses))}
    )
    weights = train(pairs, tmp_path / "run", on_volumes(), CPU)
    _, card = load_weights(weights)
    assert card.metrics["validation_loss"] == 1
    assert card.metrics["step"] == 4


def test_training_stops_when_nothing_is_gained(
    pairs: RealPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 1.0, 2.0, 1.5])
    monkeypatch.setattr(
        GeneratorTraining, "validation_losses", lambda *_: {"loss": torch.tensor(next(losses))}
    )
    settings = on_volumes(epochs=100, patience=2)
    for _ in range(2):
        # Given again, the command does nothing more.
        train(pairs, tmp_path / "run", settings, CPU)
        assert len((tmp_path / "run" / "metrics.tsv").read_text().splitlines()) == 5


def test_configuration_is_written(on_patches: Path) -> None:
    written = json.loads((on_patches / "config.json").read_text())
    assert written["settings"]["optimisation"]["steps"] == 6
    assert written["settings"]["data"]["label_maps"] == 1
    # It may be passed on, and the names of label maps may say whose they are.
    assert "head-01" not in (on_patches / "config.json").read_text()
    assert written["settings"]["seed"] == 0
    assert written["command"] == "the command"
    assert "git" in written
    # The metadata of some builds leaves out what follows the plus sign.
    assert written["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_folder_of_another_run_is_refused(
    on_patches: Path, on_pairs: Path, label_maps: LabelMaps, pairs: RealPairs
) -> None:
    with pytest.raises(TrainingError, match=r"other settings.*patch"):
        train(label_maps, on_patches, replace(ON_PATCHES, patch=32), CPU)
    with pytest.raises(TrainingError, match=r"other settings.*data"):
        train(replace(pairs, training=pairs.training[:3]), on_pairs, on_volumes(), CPU)


def test_training_on_a_mixture_ends_with_weights_that_work(on_mixture: Path) -> None:
    weights = on_mixture / "tiny.safetensors"
    _, card = load_weights(weights)
    assert card.hyperparameters["fill"]
    assert card.training["data"].startswith("2 real pairs (2 of 3 pairs); pairs simulated from 1")
    assert {"validation_total", "validation_outside", "validation_mean_gm"} <= set(card.metrics)
    volume = volumes.folded()
    assert Synthesizer.load(weights, "cpu")(volume).image.shape == volume.shape


def test_validation_is_told_what_the_card_says(
    label_maps: LabelMaps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr("clinica_t1nce.training.run.fit", lambda module, *_: told.append(module))
    settings = replace(ON_PATCHES, architecture="change-unet-fill", widths=(4, 8, 8, 8))
    train(label_maps, tmp_path / "run", settings, CPU)
    assert [module.inference for module in told] == [card_of(settings).inference]
    assert told[0].inference.fade == (0.01, 0.05)


def test_training_goes_on_from_a_network_without_fill(mixture: Mixed, tmp_path: Path) -> None:
    network = registry.preset("change-unet-deep")
    network["hyperparameters"]["widths"] = [4, 8, 8, 8]
    torch.manual_seed(5)
    module = registry.build("change-unet", **network["hyperparameters"])
    weights = tmp_path / "plain.safetensors"
    save_weights(weights, module, Card(name="plain", **network))
    settings = replace(ON_MIXTURE, architecture="change-unet-fill", init=str(weights))
    started = network_of(card_of(settings), settings.init)
    assert torch.equal(started.stem.weight, module.stem.weight)
    assert started.fill is not None
    # Not the other way round.
    save_weights(weights, started, card_of(settings))
    with pytest.raises(TrainingError, match="weights of another network"):
        network_of(Card(name="plain", **network), str(weights))


def test_a_fast_network_learns_from_the_teacher_that_it_shares_parts_with(
    mixture: Mixed, on_mixture: Path, tmp_path: Path
) -> None:
    teacher = on_mixture / "tiny.safetensors"
    settings = replace(
        ON_MIXTURE, name="fast", architecture="change-unet-fast", teacher=str(teacher)
    )
    started = pupil_of(card_of(settings), settings, *load_weights(teacher))
    taught = load_weights(teacher)[0].state_dict()
    same = {name for name, own in started.state_dict().items() if torch.equal(own, taught[name])}
    assert {"stem.weight", "encoders.1.0.conv1.weight", "ups.0.bias"} <= same
    assert not {"head.weight", "fill.weight"} & same
    weights = train(mixture, tmp_path / "run", settings, CPU)
    module, card = load_weights(weights)
    assert card.training["settings"]["teacher"] == "tiny.safetensors"
    assert len(module.encoders[0]) == 0
    volume = volumes.folded()
    assert Synthesizer.load(weights, "cpu")(volume).image.shape == volume.shape


def test_teachers_that_cannot_be_imitated_are_refused(
    mixture: Mixed, on_pairs: Path, on_mixture: Path, tmp_path: Path
) -> None:
    fast = replace(ON_MIXTURE, architecture="change-unet-fast")
    whole = replace(fast, teacher=str(on_pairs / "whole.safetensors"))
    with pytest.raises(TrainingError, match=r"whole.safetensors: does not see and give what"):
        train(mixture, tmp_path / "run", whole, CPU)
    nowhere = replace(fast, teacher="nonsense")
    with pytest.raises(WeightsError, match="nonsense"):
        train(mixture, tmp_path / "run", nowhere, CPU)
    # Before anything is prepared.
    assert not (tmp_path / "run").exists()
    weights = str(on_mixture / "tiny.safetensors")
    with pytest.raises(TrainingError, match="--teacher is imitated, --adversarial learns"):
        card_of(replace(fast, teacher=weights, init=weights, method="adversarial"))
    perceptual = replace(fast.optimisation, perceptual=0.1)
    with pytest.raises(TrainingError, match="--perceptual compares with the truth, --teacher"):
        card_of(replace(fast, teacher=weights, optimisation=perceptual))


def test_accumulated_batches_step_as_one(pairs: RealPairs, tmp_path: Path) -> None:
    # Without what looks at batches as a whole.
    common = {"architecture": "change-unet", "widths": (4, 8), "patch": 16, "epochs": 2}
    one, two = (
        from_preset("paper", name="n", batch=batch, accumulate=4 // batch, **common)
        for batch in (4, 2)
    )
    first, second = (
        load_weights(train(pairs, tmp_path / str(settings.batch), settings, CPU))[0].state_dict()
        for settings in (one, two)
    )
    for name, tensor in first.items():
        assert torch.allclose(tensor, second[name], atol=1e-5), name


@pytest.mark.slow
def test_two_pairs_can_be_learnt_by_heart(pairs: RealPairs, tmp_path: Path) -> None:
    two = replace(pairs, training=pairs.training[:2], validation=())

    def loss_after(steps: int) -> float:
        settings = from_preset(
            "paper",
            name="heart",
            architecture="att-unet-light",
            widths=(8, 16, 32),
            grid=16,
            rate=2e-2,
            final_rate=0.01,
            steps=steps,
            validate_every=10,
            samples_every=0,
        )
        train(two, tmp_path / str(steps), settings, CPU)
        last = (tmp_path / str(steps) / "metrics.tsv").read_text().splitlines()[-1]
        return float(last.split("\t")[2])

    assert loss_after(80) < loss_after(1) / 10


def test_cgan_needs_a_trained_generator(pairs: RealPairs, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--init"):
        train(pairs, tmp_path / "run", on_volumes(method="adversarial"), CPU)
    assert not (tmp_path / "run").exists()


def test_training_from_weights(on_pairs: Path, pairs: RealPairs, tmp_path: Path) -> None:
    init = str(on_pairs / "whole.safetensors")
    # A rate so small that nothing moves.
    settings = on_volumes(init=init, rate=1e-30, epochs=1)
    weights = train(pairs, tmp_path / "run", settings, CPU)
    tuned, card = load_weights(weights)
    for name, tensor in load_weights(init)[0].state_dict().items():
        if "running" not in name and "num_batches" not in name:
            assert torch.equal(tensor, tuned.state_dict()[name]), name
    assert card.training["settings"]["init"] == "whole.safetensors"
    with pytest.raises(TrainingError, match="another network"):
        train(pairs, tmp_path / "other", replace(settings, widths=(8, 8, 8, 16)), CPU)


@pytest.mark.parametrize(
    ("change", "error", "complaint"),
    [
        ({"architecture": "no-such-net"}, TrainingError, "no-such-net"),
        ({"name": "a/b"}, WeightsError, "a/b"),
        ({"grid": 32}, TrainingError, "--grid"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_once(
    change: dict, error: type, complaint: str, label_maps: LabelMaps, tmp_path: Path
) -> None:
    with pytest.raises(error, match=complaint):
        train(label_maps, tmp_path / "run", replace(ON_PATCHES, **change), CPU)
    assert not (tmp_path / "run").exists()


def test_more_levels_take_sides_of_a_higher_multiple() -> None:
    assert card_of(replace(ON_PATCHES, widths=(2, 2, 2, 2, 2))).input.multiple == 32


def test_endless_pairs_have_no_epochs(label_maps: LabelMaps, tmp_path: Path) -> None:
    endless = replace(ON_PATCHES, optimisation=Optimisation(epochs=3))
    with pytest.raises(TrainingError, match="--steps"):
        train(label_maps, tmp_path / "run", endless, CPU)
    assert not (tmp_path / "run" / "config.json").exists()


def test_memory_is_asked_for_first(
    label_maps: LabelMaps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "available", lambda device: 1e-6)
    with pytest.raises(TrainingError, match=r"GB are free.*--batch"):
        train(label_maps, tmp_path / "run", ON_PATCHES, CPU)
    assert not (tmp_path / "run").exists()


def test_precision_is_looked_at_first(label_maps: LabelMaps, tmp_path: Path) -> None:
    settings = on_volumes(architecture="res-unet-light", widths=None, grid=64)
    with pytest.raises(TrainingError, match=r"res-unet.*32-true"):
        train(label_maps, tmp_path / "run", replace(settings, precision="bf16-mixed"), CPU)
    assert not (tmp_path / "run").exists()


def test_heads_are_simulated_in_full_precision(
    mixture: Mixed, label_maps: LabelMaps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halved, make = [], SimulatedSurroundings.__call__

    def watched(*arguments: Any) -> Any:
        halved.append(torch.is_autocast_enabled("cpu"))
        return make(*arguments)

    monkeypatch.setattr(SimulatedSurroundings, "__call__", watched)
    real = replace(mixture.sources["real"], label_maps=label_maps.folder)
    settings = replace(ON_MIXTURE, precision="bf16-mixed", validate_every=2)
    settings = replace(settings, optimisation=replace(settings.optimisation, steps=2))
    output = tmp_path / "run"
    train(replace(mixture, sources={**mixture.sources, "real": real}), output, settings, CPU)
    assert halved
    assert not any(halved)
    (row,) = read_rows(output / "metrics.tsv")
    assert float(row["validation_total"]) > 0


def test_disk_is_asked_for_first(
    label_maps: LabelMaps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(OutputError, match=r"run: .*MB needed for checkpoints"):
        train(label_maps, tmp_path / "run", ON_PATCHES, CPU)
    assert not (tmp_path / "run").exists()


def test_strategy_that_lightning_does_not_know(label_maps: LabelMaps, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no-such-strategy"):
        train(label_maps, tmp_path / "run", ON_PATCHES, replace(CPU, strategy="no-such-strategy"))


@pytest.mark.parametrize("damaged", ["config.json", "checkpoints/last.ckpt"])
def test_damaged_run_is_named(
    damaged: str, on_patches: Path, label_maps: LabelMaps, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(on_patches, run)
    (run / damaged).write_bytes(b"no such thing")
    with pytest.raises(TrainingError, match=damaged.replace(".", r"\.")):
        train(label_maps, run, ON_PATCHES, CPU)


def test_device_that_is_not_there(label_maps: LabelMaps, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(DeviceError, match="cuda"):
        train(label_maps, tmp_path / "run", ON_PATCHES, Machine(device="cuda"))
    assert not (tmp_path / "run").exists()


def test_loss_that_is_no_number_ends_the_run(
    label_maps: LabelMaps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        GeneratorTraining, "_loss", lambda self, net, batch: next(net.parameters()).sum() * np.nan
    )
    with pytest.raises(TrainingError, match="nan at step 1"):
        train(label_maps, tmp_path / "run", ON_PATCHES, CPU)


@pytest.mark.parametrize("flat", [True, False])
def test_weights_that_say_nothing_are_named(
    flat: bool,
    label_maps: LabelMaps,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(GeneratorTraining, "is_flat", lambda self, batch: flat)
    train(label_maps, tmp_path / "run", ON_PATCHES, CPU)
    said = [r for r in caplog.records if "the same value in every voxel" in r.getMessage()]
    assert bool(said) == flat
