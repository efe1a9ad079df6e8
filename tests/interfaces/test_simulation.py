import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.interfaces import SimulateGadolinium
from tests.data.heads import label_map


@pytest.fixture
def in_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "a head_dseg.nii.gz"
    nib.save(nib.Nifti1Image(label_map(32).astype(np.int16), np.eye(4)), path)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return path


def test_pair_and_recipe_are_written_where_the_node_runs(in_file: Path) -> None:
    found = SimulateGadolinium(in_file=in_file, seed=2, head="whole", device="cpu").run().outputs
    t1ce, t1nce = (nib.load(path) for path in (found.t1ce_file, found.t1nce_file))
    assert Path(found.t1ce_file).parent == Path.cwd()
    assert t1ce.shape == t1nce.shape == (32, 32, 32)
    assert (t1ce.get_fdata() - t1nce.get_fdata()).max() > 50
    assert json.loads(Path(found.recipe_file).read_text())["Simulation"]["seed"] == 2


def test_label_map_is_mandatory() -> None:
    with pytest.raises(ValueError, match="in_file"):
        SimulateGadolinium().run()
