import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from clinica_t1nce import images
from clinica_t1nce.errors import ImageError
from tests.data import volumes


@pytest.fixture(scope="module")
def overlay(repository):
    spec = importlib.util.spec_from_file_location(
        "overlay", repository / "benchmarks" / "overlay.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pair(tmp_path):
    affine = volumes.affine("oblique", zooms=(1, 1, 4))
    data = volumes.enhance(volumes.brain())
    raw = volumes.write(tmp_path / "raw.nii.gz", data, affine)
    return raw, volumes.write(tmp_path / "t1nce.nii.gz", volumes.brain(), affine)


def test_a_picture_is_written(overlay, pair, tmp_path, repository):
    picture = tmp_path / "p.png"
    script = repository / "benchmarks" / "overlay.py"
    subprocess.run([sys.executable, script, *pair, picture, "--title", "t"], check=True)
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_what_was_removed_is_coloured(overlay, pair):
    figure = overlay.draw(*map(images.load, pair))
    shown = [ax.images for ax in figure.axes]
    assert [len(layers) for layers in shown] == [1, 1, 2] * 3
    coloured = shown[2][1].get_array()
    assert 0 < np.ma.count(coloured) < coloured.size / 4


def test_another_grid_is_refused(overlay, pair, tmp_path):
    other = volumes.write(tmp_path / "o.nii.gz", volumes.brain(), volumes.affine("las"))
    with pytest.raises(ImageError, match="not on the grid"):
        overlay.draw(images.load(pair[0]), images.load(other))
