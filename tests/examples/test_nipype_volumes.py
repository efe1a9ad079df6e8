import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from nilearn.datasets import load_mni152_template

from clinica_t1nce.files.nifti import CROP_SHAPE


@pytest.fixture
def t1ce(tmp_path):
    """The template of 3 mm, moved, under a coil's shading, with two bright vessels."""
    template = load_mni152_template(resolution=3)
    data = template.get_fdata(dtype=np.float32)
    brain = data > 0.05
    x, y, _ = np.ogrid[tuple(slice(-1, 1, side * 1j) for side in data.shape)]
    data = np.where(brain, data * (1 + 0.2 * x + 0.1 * y) * 400, 0)
    middle = data.shape[0] // 2
    data[middle : middle + 1, :, data.shape[2] // 2 :] *= 1.8
    affine = template.affine.copy()
    affine[:3, 3] += (6, -9, 4)
    path = tmp_path / "sub-01_ses-M000_ce-gd_T1w.nii.gz"
    nib.save(nib.Nifti1Image((data * brain).astype(np.float32), affine), path)
    return path


@pytest.mark.slow
def test_from_a_raw_t1ce_to_volumes(repository, t1ce, tmp_path):
    script = repository / "examples" / "nipype_volumes.py"
    out = tmp_path / "out"
    run = subprocess.run(
        [sys.executable, script, out, t1ce], capture_output=True, text=True, cwd=tmp_path
    )
    assert run.returncode == 0, run.stdout + run.stderr
    image = nib.load(next(out.glob("*_desc-SynthNce_T1w.nii.gz")))
    assert image.shape == CROP_SHAPE
    sidecar = json.loads(next(out.glob("*_desc-SynthNce_T1w.json")).read_text())
    assert sidecar["Synthetic"] is True
    # Registered: what is bright lies where the template's brain does.
    template = load_mni152_template(resolution=1)
    weights = image.get_fdata()
    centre = image.affine[:3, :3] @ centroid(weights) + image.affine[:3, 3]
    expected = template.affine[:3, :3] @ centroid(template.get_fdata()) + template.affine[:3, 3]
    np.testing.assert_allclose(centre, expected, atol=3)
    rows = dict(line.split("\t") for line in (out / "volumes.tsv").read_text().splitlines()[1:])
    volumes = {tissue: float(volume) for tissue, volume in rows.items()}
    assert len(volumes) == 3
    assert min(volumes.values()) > 100
    # The template's brain has 1.9 l with its CSF.
    assert 1600 < sum(volumes.values()) < 2200


def centroid(values):
    grid = np.indices(values.shape).reshape(3, -1)
    return grid @ values.ravel() / values.sum()
