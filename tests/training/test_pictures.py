from pathlib import Path

import numpy as np
from matplotlib.image import imread

from clinica_t1nce.training.pictures import Sample, draw
from tests.data import volumes


def test_one_row_a_pair(tmp_path: Path) -> None:
    t1nce = volumes.brain()
    sample = Sample(volumes.enhance(t1nce), t1nce, t1nce)
    path = tmp_path / "samples" / "step-1.png"
    draw(path, [sample], "step 1")
    one = imread(path)
    draw(path, [sample, sample], "step 1")
    two = imread(path)
    assert two.shape[0] > 1.5 * one.shape[0]
    assert two.shape[1] == one.shape[1]
    # A perfect synthetic image: its columns are equal, and the last one has no colour.
    quarter = one.shape[1] // 4
    second, third, last = (one[40:, n * quarter : (n + 1) * quarter, :3] for n in (1, 2, 3))
    assert abs(second.mean() - third.mean()) < 0.01
    assert np.abs(last[..., 0] - last[..., 2]).max() < 0.05


def test_same_samples_same_bytes(tmp_path: Path) -> None:
    sample = Sample(*(volumes.brain(seed=seed) for seed in range(3)))
    for name in ("a.png", "b.png"):
        draw(tmp_path / name, [sample], "again")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_empty_volumes_can_be_drawn(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", [Sample(*[np.zeros((8, 8, 8), np.float32)] * 3)], "nothing")
    assert (tmp_path / "a.png").stat().st_size > 0
