"""A CAPS with one crop a session, made beside a homogenised data set."""

import json

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import names, query
from clinica_t1nce.datasets.homogenisation import homogenise
from clinica_t1nce.datasets.homogenisation_report import summarise
from clinica_t1nce.datasets.homogenisation_request import HomogenisationRequest
from clinica_t1nce.errors import SelectionError
from tests.data.bids import make_bids, make_caps_of, tree
from tests.datasets.homogenised import ACQUIRED, KINDS, sidecar


@pytest.fixture
def new(tmp_path):
    return tmp_path / "new_caps"


def test_a_caps_with_one_crop_a_session(caps, out, new):
    import clinica.dataset

    homogenise(HomogenisationRequest(caps, out, caps_output=new))
    crops = list(query.find_crops(new))
    assert [str(visit).replace(" ", "/") for visit, _ in crops] == list(KINDS)
    for visit, crop in crops:
        assert crop.name == f"{'_'.join(visit)}{names.CROP_ENDING}"
        assert names.affine_path(crop).read_bytes() == f"affine of {visit.subject}".encode()
        content = json.loads(names.sidecar_path(crop).read_text())
        assert content["T1nce"] == KINDS[str(visit).replace(" ", "/")]
    (crop,) = (crop for visit, crop in crops if visit.subject == "sub-02")
    assert crop.resolve().name.endswith(names.SYNTHETIC_ENDING)
    clinica.dataset.check_caps_dataset(new)
    before = tree(new)
    homogenise(HomogenisationRequest(caps, out, caps_output=new))
    assert tree(new) == before
    # A crop that t1-linear has made again since.
    crop = next(crop for visit, crop in crops if visit.subject == "sub-01")
    noted = json.loads(names.sidecar_path(crop).read_text())["SourceFiles"]
    image = nib.load(crop.resolve())
    brighter = nib.Nifti1Image(image.get_fdata(dtype=np.float32) + 1, image.affine)
    brighter.to_filename(crop.resolve())
    homogenise(HomogenisationRequest(caps, out, caps_output=new))
    assert json.loads(names.sidecar_path(crop).read_text())["SourceFiles"] != noted


def test_a_foreign_caps_is_left_alone(caps, out, tmp_path):
    for folder in ("caps/new", "view/derivatives", "view"):
        with pytest.raises(SelectionError, match=r"(lies in|is) the input"):
            homogenise(HomogenisationRequest(caps, out, caps_output=tmp_path / folder))
    for folder in (out, out / "derivatives"):
        with pytest.raises(SelectionError, match=r"(lies in|is) the BIDS output"):
            homogenise(HomogenisationRequest(caps, out, caps_output=folder))
    with pytest.raises(SelectionError, match="holds the BIDS output"):
        homogenise(HomogenisationRequest(caps, out / "bids", caps_output=out))
    other = make_caps_of(tmp_path / "bids", tmp_path / "other")
    with pytest.raises(SelectionError, match="give a new folder"):
        homogenise(HomogenisationRequest(caps, out, caps_output=other))
    assert not out.exists()


@pytest.mark.parametrize("space", ["native", "mni"])
def test_images_without_a_crop_are_told(caps, out, new, space):
    for image in caps.glob("subjects/*/*/t1_synth_nce/*/*_desc-SynthNce_res*"):
        image.unlink()
    report = homogenise(HomogenisationRequest(caps, out, space=space, caps_output=new))
    assert report.missing == ()
    assert report.missing_crops == (Visit("sub-02", "ses-M000"),)
    assert not report.is_whole
    told = [
        line
        for line in summarise(report, HomogenisationRequest(caps, out))
        if "without a crop" in line
    ]
    assert len(told) == 1
    assert "(sub-02 ses-M000)" in told[0]
    assert {visit.subject for visit, _ in query.find_crops(new)} == {"sub-01", "sub-03"}


def test_crops_are_of_the_images_that_a_table_names(tmp_path, out, new):
    stem = "sub-01_ses-M000_run-{}_T1w"
    bids = make_bids(tmp_path / "bids", {stem.format(run): {} for run in (1, 2)})
    caps = make_caps_of(bids, tmp_path / "caps")
    choices = tmp_path / "choices.tsv"
    choices.write_text(
        f"participant_id\tsession_id\tfilename\nsub-01\tses-M000\t{stem.format(1)}.nii.gz\n"
    )
    homogenise(HomogenisationRequest(caps, out, space="native", choices=choices, caps_output=new))
    ((_, crop),) = query.find_crops(new)
    assert "_run-1_" in crop.resolve().name
    content = json.loads(names.sidecar_path(crop).read_text())
    assert content["TakenBecause"] == sidecar(out, ACQUIRED)["TakenBecause"] == "tsv"


def test_what_cannot_be_read_costs_its_visit_only(caps, out, new):
    metadata = caps.parent / "view/sub-02/ses-M000/anat"
    metadata /= "sub-02_ses-M000_acq-late_ce-gadolinium_T1w.json"
    metadata.unlink()
    metadata.write_text("{bad")
    report = homogenise(HomogenisationRequest(caps, out, caps_output=new))
    assert list(report.failed) == [Visit("sub-02", "ses-M000")]
    assert metadata.name in report.failed[Visit("sub-02", "ses-M000")]
    assert [visit.subject for visit, _ in query.find_crops(new)] == ["sub-01", "sub-01", "sub-03"]


def test_crops_are_added_after_further_runs_of_clinica(caps, out, new):
    from clinica.dataset import write_caps_dataset_description

    # Clinica wants one version of BIDS in all of them.
    about = caps / "dataset_description.json"
    about.write_text(about.read_text().replace("1.7.0", "1.9.0"))
    away = caps / "subjects/sub-02"
    away.rename(caps / "away")
    homogenise(HomogenisationRequest(caps, out, caps_output=new))
    (caps / "away").rename(away)
    write_caps_dataset_description(caps.parent / "view", caps, "t1-linear", "c")
    write_caps_dataset_description(caps.parent / "bids", caps, "t1-linear", "c")
    write_caps_dataset_description(new, new, "deeplearning-prepare-data", "c")
    homogenise(HomogenisationRequest(caps, out, bids=caps.parent / "view", caps_output=new))
    assert "sub-02" in {visit.subject for visit, _ in query.find_crops(new)}
    steps = json.loads((new / "dataset_description.json").read_text())["Processing"]
    assert sorted({step["Name"] for step in steps}) == ["deeplearning-prepare-data", "t1-linear"]
    assert str(caps.parent / "bids") in {step["InputPath"] for step in steps}
    before = tree(new)
    homogenise(HomogenisationRequest(caps, out, bids=caps.parent / "view", caps_output=new))
    assert tree(new) == before


def test_a_caps_of_another_caps_is_not_added_to(caps, out, new, tmp_path):
    homogenise(HomogenisationRequest(caps, out, caps_output=new))
    twin = make_caps_of(tmp_path / "view", tmp_path / "twin")
    with pytest.raises(SelectionError, match=r"were not made from .*twin; give a new folder"):
        homogenise(HomogenisationRequest(twin, tmp_path / "out_of_twin", caps_output=new))
