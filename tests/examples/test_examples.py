import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.files.nifti import CROP_SHAPE

PARTICIPANTS = ("sub-demo01", "sub-demo02")


@pytest.fixture(scope="module")
def demo(repository: Path, tmp_path_factory: pytest.TempPathFactory):
    """Run the demo as ``make demo`` does; return its folder and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "output"
    script = repository / "examples" / "demo.py"
    run = subprocess.run(
        [sys.executable, script, folder], capture_output=True, text=True, cwd=folder.parent
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return folder, run.stdout


@pytest.mark.slow
def test_demo_names_its_pictures(demo) -> None:
    folder, printed = demo
    for participant in PARTICIPANTS:
        picture = folder / f"{participant}.png"
        assert str(picture) in printed
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size > 50_000


@pytest.mark.slow
def test_demo_takes_enhancement_away(demo) -> None:
    _, printed = demo
    shares = [
        int(line.split()[-3])
        for line in printed.splitlines()
        if "sub-demo0" in line and "%" in line
    ]
    assert len(shares) == 2
    # 86 and 27 % of what could be removed.
    assert min(shares) > 15


@pytest.mark.slow
def test_demo_leaves_a_homogeneous_caps(demo) -> None:
    folder, _ = demo
    for participant in PARTICIPANTS:
        visit = folder / "caps" / "subjects" / participant / "ses-M000ce"
        (crop,) = visit.glob("t1_linear/*_ce-gadolinium_*.nii.gz")
        (synthetic,) = visit.glob("t1_synth_nce/model-*/*_desc-SynthNce_res-1x1x1_T1w.nii.gz")
        image = nib.load(synthetic)
        assert image.shape == CROP_SHAPE
        assert image.get_data_dtype() == np.float32
        assert np.array_equal(image.affine, nib.load(crop).affine)
        sidecar = json.loads(
            synthetic.with_name(synthetic.name.replace(".nii.gz", ".json")).read_text()
        )
        assert sidecar["Synthetic"] is True
        assert not (
            folder / "caps" / "subjects" / participant / "ses-M000" / "t1_synth_nce"
        ).exists()


@pytest.mark.slow
def test_graph_runs_on_a_crop(demo, repository: Path, tmp_path: Path) -> None:
    folder, _ = demo
    (crop,) = folder.glob("caps/subjects/sub-demo01/ses-M000ce/t1_linear/*.nii.gz")
    script = repository / "examples" / "nipype_graph.py"
    run = subprocess.run(
        [sys.executable, script, tmp_path / "out", crop],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    written = {path.name for path in (tmp_path / "out" / "t1nce").iterdir()}
    assert written == {
        f"sub-demo01_ses-M000ce_space-MNI152NLin2009cSym_desc-SynthNce_res-1x1x1_T1w.{extension}"
        for extension in ("nii.gz", "json")
    }
