import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.files import nifti
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
    figure = overlay.draw(*map(nifti.load, pair))
    shown = [ax.images for ax in figure.axes]
    assert [len(layers) for layers in shown] == [1, 1, 2] * 3
    coloured = shown[2][1].get_array()
    assert 0 < np.ma.count(coloured) < coloured.size / 4


def test_another_grid_is_refused(overlay, pair, tmp_path):
    other = volumes.write(tmp_path / "o.nii.gz", volumes.brain(), volumes.affine("las"))
    with pytest.raises(ImageError, match="not on the grid"):
        overlay.draw(nifti.load(pair[0]), nifti.load(other))


def test_the_mask_of_vessels_is_drawn_beside_another_rule(overlay, pair, tmp_path, repository):
    raw, t1nce = map(nifti.load, pair)
    removed = raw.data - t1nce.data
    mask = nifti.save(tmp_path / "mask.nii.gz", removed > 0.5 * removed.max(), raw, dtype=np.uint8)
    figure = overlay.draw(raw, t1nce, vessels=nifti.load(mask))
    shown = [ax.images for ax in figure.axes]
    assert [len(layers) for layers in shown] == [1, 2, 2] * 3
    script, picture = repository / "benchmarks" / "overlay.py", tmp_path / "p.png"
    subprocess.run([sys.executable, script, *pair, picture, "--vessels", mask], check=True)
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_the_other_rule_colours_one_voxel_in_twenty(overlay):
    noise = np.random.default_rng(0).normal(size=(20, 20, 50))
    rule = overlay._by_percentiles(noise)
    assert np.ma.count(rule) == noise.size // 20
    assert np.sum(rule > 1) == noise.size // 1000


def test_a_mask_on_another_grid_is_refused(overlay, pair, tmp_path):
    other = volumes.write(tmp_path / "m.nii.gz", np.ones((4, 4, 4)) + np.eye(4), np.eye(4))
    with pytest.raises(ImageError, match=r"m\.nii\.gz: not on the grid"):
        overlay.draw(*map(nifti.load, pair), vessels=nifti.load(other))
