from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from clinica_t1nce.cli.train import cli

GIVEN = {
    "--name": "mine",
    "--preset": "att-unet-light",
    "--widths": "4,8",
    "--steps": "7",
    "--rate": "0.5",
    "--enhancing-weight": "1.5",
    "--patch": "32",
    "--batch": "3",
    "--precision": "bf16-mixed",
    "--init": "change-unet-v1",
    "--seed": "11",
    "--device": "cpu",
    "--workers": "0",
    "--threads": "2",
    "--save-every": "5",
}


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Collect what the training is called with, in place of training."""
    from clinica_t1nce.training import run

    seen: dict[str, Any] = {}

    def train(label_maps: Path, output: Path, settings: run.Settings, **options: Any) -> Path:
        seen.update(options, label_maps=label_maps, output=output, settings=settings)
        return output / "weights"

    monkeypatch.setattr(run, "train_on_label_maps", train)
    return seen


def test_every_option_reaches_the_training(
    called: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [word for pair in GIVEN.items() for word in pair]
    typed = ["clinica-t1nce", "train", str(tmp_path), str(tmp_path / "run"), "--steps", "7"]
    monkeypatch.setattr("sys.argv", typed)
    result = CliRunner().invoke(cli, [str(tmp_path), str(tmp_path / "run"), *options])
    assert result.exit_code == 0, result.output
    assert str(tmp_path / "run" / "weights") in result.output
    assert called["label_maps"] == tmp_path
    assert called["command"] == "clinica-t1nce train LABEL_MAPS OUTPUT --steps 7"
    assert called["output"] == tmp_path / "run"
    assert (called["device"], called["workers"], called["threads"]) == ("cpu", 0, 2)
    settings = called["settings"]
    assert (settings.name, settings.preset, settings.widths) == ("mine", "att-unet-light", (4, 8))
    assert (settings.patch, settings.batch, settings.seed) == (32, 3, 11)
    assert settings.save_every == 5
    assert (settings.precision, settings.init) == ("bf16-mixed", "change-unet-v1")
    optimisation = settings.optimisation
    assert (optimisation.steps, optimisation.rate) == (7, 0.5)
    assert optimisation.enhancing_weight == 1.5
    assert set(GIVEN) == {option for p in cli.params for option in p.opts if option[0] == "-"}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--widths", "4,wide"], "--widths"),
        (["--steps", "0"], "--steps"),
        (["--patch", "30"], "--patch"),
        (["--batch", "-1"], "--batch"),
        (["--device", "tpu"], "--device"),
    ],
)
def test_wrong_usage_ends_with_code_2(
    options: list[str], complaint: str, called: dict[str, Any], tmp_path: Path
) -> None:
    result = CliRunner().invoke(cli, [str(tmp_path), str(tmp_path / "run"), *options])
    assert result.exit_code == 2
    assert complaint in result.output
    assert not called
