"""One small pair in a folder whose name has a space."""

import numpy as np
import pytest

from tests.data import volumes
from tests.interfaces.files import AFFINE, SHAPE


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "a folder"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def pair(folder):
    t1nce = volumes.brain(SHAPE)
    t1ce = volumes.enhance(t1nce)
    better = np.where(t1ce > t1nce, t1nce + 30, t1nce)
    files = {"t1nce": t1nce, "t1ce": t1ce, "synthetic": better, "mask": (t1nce > 0)}
    return {
        name: str(volumes.write(folder / f"{name}.nii.gz", data.astype(np.float32), AFFINE))
        for name, data in files.items()
    }
