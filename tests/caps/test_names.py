from pathlib import Path

import pytest

from clinica_t1nce.caps import names

ENDING = "space-MNI152NLin2009cSym_desc-Crop_res-1x1x1_T1w.nii.gz"


@pytest.mark.parametrize(
    ("entities", "expected"),
    [
        ("sub-01_ses-M000ce_ce-gadolinium", "sub-01_ses-M000ce"),
        ("sub-01_ses-M000_acq-ce_ce-gd_run-02", "sub-01_ses-M000_acq-ce_run-02"),
        ("sub-ce1_ses-M000", "sub-ce1_ses-M000"),
    ],
)
def test_ce_alone_is_left_out(entities, expected):
    synthetic = names.synthetic_name(f"{entities}_{ENDING}")
    assert synthetic == f"{expected}_space-MNI152NLin2009cSym_desc-SynthNce_res-1x1x1_T1w.nii.gz"


def test_what_is_no_crop_has_no_synthetic_name():
    with pytest.raises(ValueError, match="not the name of a crop"):
        names.synthetic_name("sub-01_ses-M000_T1w.nii.gz")


def test_output_lies_beside_t1_linear():
    crop = Path(f"/caps/subjects/sub-01/ses-M000/t1_linear/sub-01_ses-M000_ce-gd_{ENDING}")
    folder = Path("/caps/subjects/sub-01/ses-M000/t1_synth_nce/model-m")
    assert names.output_path(crop, "m").parent == folder


@pytest.mark.parametrize("name", ["a_T1w.nii.gz", "a_T1w.nii"])
def test_sidecar_replaces_the_extension(name):
    assert names.sidecar_path(Path(name)) == Path("a_T1w.json")


def test_uri_is_of_the_data_set_or_relative():
    root = Path("/caps")
    assert names.uri(root / "a" / "b.nii", root, root / "c") == "bids::a/b.nii"
    assert names.uri(Path("/else/b.nii"), root, root / "c") == "../../else/b.nii"
    assert names.uri(root / "a" / "b.nii", None, root / "c") == "../a/b.nii"


@pytest.mark.parametrize("with_root", [True, False])
def test_a_uri_leads_back_to_its_file(tmp_path, with_root):
    file, beside = tmp_path / "a" / "b.nii", tmp_path / "c"
    for folder in (file.parent, beside):
        folder.mkdir()
    file.touch()
    root = tmp_path if with_root else None
    assert names.resolve(names.uri(file, root, beside), root, beside).samefile(file)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "sub-1_ses-1_ce-gd_space-MNI152NLin2009cSym_desc-Crop_res-1x1x1_T1w.nii.gz",
            "sub-1_ses-1_space-MNI152NLin2009cSym_desc-SynthNce_res-1x1x1_T1w.nii.gz",
        ),
        ("sub-1_T1w.nii", "sub-1_desc-SynthNce_T1w.nii"),
        ("scan.nii.gz", "scan_desc-SynthNce.nii.gz"),
    ],
)
def test_names_without_out_files(name, expected):
    assert names.derived_name(name) == expected
