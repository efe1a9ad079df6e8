import json
from pathlib import Path

import pytest

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.training import record


def test_run_that_goes_on_has_the_settings_that_it_had(tmp_path: Path) -> None:
    run = tmp_path / "run"
    record.begin(run, {"a": 1, "b": (2, 3)}, command="first")
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.ckpt").touch()
    record.begin(run, {"a": 1, "b": (2, 3)}, command="second")
    written = json.loads((run / "config.json").read_text())
    assert written["command"] == "first"
    with pytest.raises(TrainingError, match=r"other settings \(b\)"):
        record.refuse_another(run, {"a": 1, "b": (2, 4)})


def test_run_without_a_checkpoint_may_be_begun_anew(tmp_path: Path) -> None:
    record.begin(tmp_path, {"a": 1}, command="first")
    record.begin(tmp_path, {"a": 2}, command="second")
    written = json.loads((tmp_path / "config.json").read_text())
    assert (written["command"], written["settings"]) == ("second", {"a": 2})


def test_commit_is_known_of_a_checkout_only(monkeypatch: pytest.MonkeyPatch) -> None:
    found = record.git_hash()
    assert found is None or len(found.rstrip("+")) == 40
    monkeypatch.setattr(record.subprocess, "run", _no_git)
    assert record.git_hash() is None


def _no_git(*args: object, **kwargs: object) -> None:
    raise FileNotFoundError("git")


def test_losses_after_the_checkpoint_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "metrics.tsv"
    first = record.Metrics(path)
    first.resume(0)
    for step in (2, 4, 6):
        first.add({"step": step, "train_loss": 1 / step})
    again = record.Metrics(path)
    again.resume(4)
    again.add({"step": 6, "train_loss": 0.5, "validation_loss": 0.25})
    assert path.read_text().splitlines() == [
        "step\ttrain_loss\tvalidation_loss",
        "2\t0.5\tn/a",
        "4\t0.25\tn/a",
        "6\t0.5\t0.25",
    ]


def test_new_run_begins_a_new_table(tmp_path: Path) -> None:
    path = tmp_path / "metrics.tsv"
    record.Metrics(path).add({"step": 1, "train_loss": 3})
    metrics = record.Metrics(path)
    metrics.resume(0)
    assert metrics.rows == []
