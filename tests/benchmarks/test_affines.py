import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from tests.data import volumes
from tests.data.raw import make_visit


@pytest.fixture(scope="module")
def script(repository):
    spec = importlib.util.spec_from_file_location(
        "affines", repository / "benchmarks" / "affines.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["affines"] = module
    spec.loader.exec_module(module)
    return module


def test_crops_of_a_caps_lie_on_their_raw_images(tmp_path, repository):
    visit = make_visit(tmp_path)
    command = [sys.executable, repository / "benchmarks" / "affines.py"]
    command += ["--caps", visit.caps, "--bids", visit.bids]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    _, _, row = done.stdout.splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:3] == ["sub-01", "sub-01 ses-1", "right"]
    assert min(map(float, cells[3:])) > 0.98


def test_simulated_heads_agree_with_themselves_and_not_when_moved(script, tmp_path):
    labels = np.kron(np.where(volumes.brain((24, 28, 20)) > 0, 1, 0), np.ones((6, 6, 6), int))
    labels[40:70, 60:90, 40:80] = 2
    path = volumes.write(tmp_path / "l.nii.gz", labels, np.eye(4))
    rng = np.random.default_rng(0)
    straight, _, bent, *_ = script.simulate(path, rng)
    wrong = dict(script.displacements(rng))
    assert len(wrong) == 6
    assert np.linalg.norm(wrong["moved 20 mm"][:3, 3]) == pytest.approx(20)
    right = straight.agreements(straight.transform)
    assert min(right) > 0.99
    moved = straight.agreements(straight.transform @ wrong["moved 20 mm"])
    assert max(moved) < min(right)
    voxels, cubes = bent.agreements(bent.transform)
    assert moved[1] < cubes
    assert voxels < cubes
