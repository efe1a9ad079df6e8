import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.models.storage import load_weights
from clinica_t1nce.training.callback import Checks
from clinica_t1nce.training.data.sources import RealPairs
from clinica_t1nce.training.run import train
from clinica_t1nce.training.settings import from_preset
from tests.training.small_runs import CPU, ON_MIXTURE, ON_PATCHES, on_volumes


class Killed(BaseException):
    """What a killed process does not live to see."""


def kill_at(patch: pytest.MonkeyPatch, step: int) -> None:
    regular = Checks.on_train_batch_end

    def kill(self, trainer, module, outputs, batch, batch_idx):
        if module.iteration == step:
            raise Killed
        regular(self, trainer, module, outputs, batch, batch_idx)

    patch.setattr(Checks, "on_train_batch_end", kill)


@pytest.mark.parametrize("source", ["patches", "pairs", "mixture"])
def test_killed_training_ends_bit_for_bit_as_an_uninterrupted_one(
    source: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = request.getfixturevalue(f"on_{source}")
    data, settings = {
        "patches": ("label_maps", ON_PATCHES),
        "pairs": ("pairs", on_volumes()),
        "mixture": ("mixture", ON_MIXTURE),
    }[source]
    data = request.getfixturevalue(data)
    for step in (3, 4):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_at(patch, step)
            train(data, tmp_path / "run", settings, CPU)
    weights = train(data, tmp_path / "run", settings, CPU)
    resumed = load_weights(weights)[0].state_dict()
    for name, tensor in load_weights(whole / weights.name)[0].state_dict().items():
        assert torch.equal(tensor, resumed[name]), name
    assert (tmp_path / "run" / "metrics.tsv").read_text() == (whole / "metrics.tsv").read_text()


def test_discriminator_is_trained_first_and_the_cgan_resumes(
    on_pairs: Path, pairs: RealPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = from_preset(
        "paper",
        name="cgan",
        method="adversarial",
        init=str(on_pairs / "whole.safetensors"),
        discriminator_widths=(2,),
        discriminator_steps=3,
        steps=4,
        rate=1e-3,
        validate_every=2,
        save_every=1,
        samples_every=0,
    )
    whole = train(pairs, tmp_path / "whole", settings, CPU)
    folder = tmp_path / "whole" / "discriminator"
    _, judge = load_weights(folder / "discriminator.safetensors")
    assert (judge.output, judge.hyperparameters["patch"]) == ("score", 16)
    assert len((folder / "metrics.tsv").read_text().splitlines()) == 3
    network, card = load_weights(whole)
    # The generator's network is that of its first weights.
    assert (card.architecture, card.grid) == ("trans-unet", (16, 16, 16))
    assert (tmp_path / "whole" / "metrics.tsv").read_text().splitlines()[0].split("\t") == [
        "step",
        "epoch",
        "train_loss",
        "train_adversarial",
        "train_discriminator",
        "validation_loss",
    ]
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, 3)
        # As if the discriminator had been trained: its run is not the one that is killed.
        shutil.copytree(folder, tmp_path / "killed" / "discriminator")
        train(pairs, tmp_path / "killed", settings, CPU)
    resumed = load_weights(train(pairs, tmp_path / "killed", settings, CPU))[0].state_dict()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, resumed[name]), name
    given = replace(settings, discriminator=str(folder / "discriminator.safetensors"))
    train(pairs, tmp_path / "given", given, CPU)
    assert not (tmp_path / "given" / "discriminator").exists()
    with pytest.raises(TrainingError, match="no discriminator for volumes of 16"):
        wrong = replace(settings, discriminator=str(on_pairs / "whole.safetensors"))
        train(pairs, tmp_path / "wrong", wrong, CPU)


def test_unpaired_training_resumes(
    pairs: RealPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = [replace(p, t1ce=None) if n % 2 else p for n, p in enumerate(pairs.training)]
    data = RealPairs(halves, paired=False)
    settings = from_preset(
        "paper",
        name="cycle",
        architecture="att-unet-light",
        widths=(2, 4),
        grid=16,
        method="unpaired",
        discriminator_widths=(2,),
        steps=5,
        save_every=1,
    )
    whole, card = load_weights(train(data, tmp_path / "whole", settings, CPU))
    assert card.training["data"] == "4 real visits with unpaired images"
    assert card.metrics["train_cycle"] > 0
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, 3)
        train(data, tmp_path / "killed", settings, CPU)
    resumed = load_weights(train(data, tmp_path / "killed", settings, CPU))[0].state_dict()
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed[name]), name
