import importlib.util
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest


@pytest.fixture(scope="module")
def script(repository):
    path = repository / "benchmarks" / "curves.py"
    spec = importlib.util.spec_from_file_location("curves", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(folder: Path, *rows: str) -> Path:
    folder.mkdir()
    (folder / "metrics.tsv").write_text("\n".join(rows) + "\n")
    return folder


def test_losses_are_read_and_drawn(script, tmp_path):
    plain = write(
        tmp_path / "plain",
        "step\tepoch\ttrain_loss\tvalidation_loss",
        "10\t1\t0.5\t0.25",
        "20\t2\t0.25\t0.125",
    )
    gan = write(tmp_path / "gan", "step\ttrain_loss\ttrain_adversarial", "5\t0.1\t0.5")
    runs = {run.name: script.read(run) for run in (plain, gan)}
    assert runs["plain"] == {
        "train_loss": ([10, 20], [0.5, 0.25]),
        "validation_loss": ([10, 20], [0.25, 0.125]),
    }
    assert runs["gan"]["train_adversarial"] == ([5], [0.5])
    script.draw(runs, tmp_path / "curves.png")
    drawn = matplotlib.image.imread(tmp_path / "curves.png")[..., :3]
    left, right = np.array_split(drawn, 2, axis=1)
    assert min(np.ptp(left), np.ptp(right)) > 0.5  # no panel is empty
