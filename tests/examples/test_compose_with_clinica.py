"""Clinica's two pipelines and ours in one graph, run around quick stand-ins for ANTs and SPM."""

import importlib.util
import json

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.files.nifti import CROP_SHAPE
from tests.data import caps as small_caps
from tests.data.bids import make_bids
from tests.data.spm import jobs, make_spm

TEMPLATE_SHAPE = (193, 229, 193)
TEMPLATE_AFFINE = np.array([[1.0, 0, 0, -96], [0, 1, 0, -132], [0, 0, 1, -78], [0, 0, 0, 1]])
CROP = (slice(12, 181), slice(13, 221), slice(0, 179))
VISIT = "sub-01/ses-M000"


@pytest.fixture
def example(repository):
    path = repository / "examples" / "compose_with_clinica.py"
    spec = importlib.util.spec_from_file_location("compose_with_clinica", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def data(tmp_path):
    """A BIDS with one T1ce of 3 mm in MNI space, and the table that lists it."""
    bids = make_bids(tmp_path / "bids", {"sub-01_ses-M000_ce-gd_T1w": {}})
    image = next(bids.glob("*/*/anat/*.nii.gz"))
    affine = TEMPLATE_AFFINE @ np.diag([3, 3, 3, 1])
    nib.save(nib.Nifti1Image(small_caps.head(shape=(64, 76, 64)), affine), image)
    tsv = tmp_path / "t1ce.tsv"
    tsv.write_text("participant_id\tsession_id\nsub-01\tses-M000\n")
    return {"bids": bids, "caps": tmp_path / "caps", "tsv": tsv, "work": tmp_path / "work"}


@pytest.fixture
def quick_ants(tmp_path, monkeypatch):
    """Leave out what takes minutes: N4, and a registration of what lies in MNI space already."""
    import ants
    from clinica.pipelines.t1_linear import anat_linear_utils
    from clinica.utils import image

    def get_file(filename, **_):
        cut = CROP if "cropped" in filename else (slice(None),) * 3
        template = nib.Nifti1Image(np.ones(TEMPLATE_SHAPE, np.float32), TEMPLATE_AFFINE)
        path = tmp_path / filename
        nib.save(template.slicer[cut], path)
        return path

    def correct(input_image, *_, save_bias=False, **__):
        found = ants.image_read(str(input_image))
        return found * 0 + 1 if save_bias else found

    def register(fixed_image, moving_image, *_, **__):
        transform = tmp_path / "identity.mat"
        ants.write_transform(ants.new_ants_transform(dimension=3), str(transform))
        fixed, moving = (ants.image_read(str(path)) for path in (fixed_image, moving_image))
        warped = ants.resample_image_to_target(moving, fixed)
        return {"warpedmovout": warped, "fwdtransforms": [str(transform)]}

    monkeypatch.setattr(image, "_get_file_locally_or_download", get_file)
    monkeypatch.setattr(anat_linear_utils, "_call_n4_bias_field_correction", correct)
    monkeypatch.setattr(anat_linear_utils, "_call_ants_registration", register)


@pytest.fixture
def spm(tmp_path, monkeypatch):
    """Let Clinica find the stand-in; Nipype remembers SPM in classes, which forget it again."""
    from nipype.interfaces.spm.base import Info, SPMCommand

    for owner, names in (
        (SPMCommand, ("_matlab_cmd", "_paths", "_use_mcr")),
        (Info, ("_path", "_name", "_command", "_paths", "_version")),
    ):
        for name in names:
            monkeypatch.setattr(owner, name, getattr(owner, name))
    environment = make_spm(tmp_path)
    for name in ("SPMSTANDALONE_HOME", "MCR_HOME"):
        monkeypatch.setenv(name, environment[name])
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_from_the_raw_t1ce_to_tissue_maps(example, data, quick_ants, spm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = small_caps.save_weights(tmp_path / "weights")
    example.init_composed_wf(**data, model=str(weights)).run()
    visit = data["caps"] / "subjects" / VISIT
    (crop,) = visit.glob("t1_linear/*_desc-Crop_*.nii.gz")
    (t1nce,) = visit.glob("t1_synth_nce/*.nii.gz")
    assert t1nce.name == "sub-01_ses-M000_desc-SynthNce_T1w.nii.gz"
    before, after = nib.load(crop), nib.load(t1nce)
    assert before.shape == after.shape == CROP_SHAPE
    assert np.array_equal(before.affine, after.affine)
    assert after.get_fdata().sum() < before.get_fdata().sum()
    assert json.loads(t1nce.with_name(t1nce.name.replace(".nii.gz", ".json")).read_text())[
        "Synthetic"
    ]
    (segmented,) = data["work"].rglob("1-UnzipT1w/*.nii")
    assert np.array_equal(nib.load(segmented).dataobj, after.dataobj)
    assert sum(segmented.name in job for job in jobs(spm)) == 2
    maps = sorted(path.name for path in visit.glob("t1/spm/segmentation/native_space/*"))
    assert maps == [
        f"sub-01_ses-M000_desc-SynthNce_T1w_segm-{tissue}_probability.nii.gz"
        for tissue in ("csf", "graymatter", "whitematter")
    ]


@pytest.mark.filterwarnings("ignore")
def test_the_graph_without_spm(example, data, quick_ants, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "TPM.nii").touch()
    workflow = example.init_composed_wf(
        **data,
        ignore_dependencies=["spm standalone"],
        parameters={"tissue_probability_maps": str(tmp_path / "TPM.nii")},
    )
    edges = {
        (source.fullname, target.fullname)
        for source, target in workflow._create_flat_graph().edges()
    }
    assert ("composed.t1-linear.cropnifti", "composed.t1-synth-nce.inputnode") in edges
    assert (
        "composed.t1-synth-nce.outputnode",
        "composed.t1-volume-tissue-segmentation.Input",
    ) in edges
    assert {name.split(".")[1] for edge in edges for name in edge} == {
        "place",
        "t1-linear",
        "t1-synth-nce",
        "t1-volume-tissue-segmentation",
    }
