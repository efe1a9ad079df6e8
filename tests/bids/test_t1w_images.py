import json

import pytest

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.bids.t1w_images import Dataset, prefer
from clinica_t1nce.errors import SelectionError
from tests.data.bids import make_bids


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    return Dataset(make_bids(tmp_path_factory.mktemp("bids") / "mixed"))


def test_visits(mixed):
    assert [" ".join(visit) for visit in mixed.visits] == [
        "sub-01 ses-M000",
        "sub-01 ses-M012",
        "sub-02 ses-M000",
        "sub-02 ses-M006",
        "sub-03 ses-M000",
    ]


def test_t1w_and_their_kinds(mixed):
    found = mixed.t1w(Visit("sub-01", "ses-M000"))
    assert [(image.path.name, image.kind) for image in found] == [
        ("sub-01_ses-M000_T1w.nii.gz", "T1nce"),
        ("sub-01_ses-M000_ce-gd_T1w.nii.gz", "T1ce"),
    ]
    (late,) = mixed.t1w(Visit("sub-02", "ses-M000"))
    assert (late.evidence, late.agent) == ("ContrastBolusIngredient", "GADOLINIUM")
    assert mixed.t1w(Visit("sub-02", "ses-M006")) == []


def test_the_order_of_preference(mixed):
    images = mixed.t1w(Visit("sub-03", "ses-M000"))
    names = [image.path.name for image in prefer(images)]
    assert names == [
        "sub-03_ses-M000_run-2_T1w.nii.gz",
        "sub-03_ses-M000_run-1_T1w.nii.gz",
        "sub-03_ses-M000_acq-mprage_ce-gd_T1w.nii.gz",
        "sub-03_ses-M000_acq-se_ce-gd_T1w.nii.gz",
    ]
    assert [image.thickness for image in prefer(images)] == [1, 1, 1, 5]


def test_an_unreadable_header_comes_last(tmp_path):
    root = make_bids(tmp_path / "b", {"sub-1_ses-1_run-1_T1w": {}, "sub-1_ses-1_run-2_T1w": {}})
    next(root.glob("*/*/anat/*run-2_T1w.nii.gz")).write_bytes(b"no image")
    images = Dataset(root).t1w(Visit("sub-1", "ses-1"))
    assert [image.run for image in prefer(images)] == [1, 2]


def test_metadata_are_inherited(tmp_path):
    root = make_bids(
        tmp_path / "b", {"sub-1_ses-1_acq-x_T1w": {"A": 3}, "sub-1_ses-1_acq-y_T1w": {}}
    )
    (root / "T1w.json").write_text('{"A": 1, "B": 1, "C": 1}')
    (root / "acq-x_T1w.json").write_text('{"B": 2}')
    (root / "T2w.json").write_text('{"A": 9}')
    (root / "sub-1" / "sub-1_T1w.json").write_text('{"D": 1}')
    dataset = Dataset(root)
    x, y = dataset.t1w(Visit("sub-1", "ses-1"))
    assert dataset.metadata(x.path) == {"A": 3, "B": 2, "C": 1, "D": 1}
    assert dataset.metadata(y.path) == {"A": 1, "B": 1, "C": 1, "D": 1}


def test_the_sidecar_of_another_image_says_nothing(tmp_path):
    images = {
        "sub-1_ses-1_T1w": {"ContrastBolusAgent": "Dotarem"},
        "sub-1_ses-1_acq-x_T1w": {},
    }
    found = Dataset(make_bids(tmp_path / "b", images)).t1w(Visit("sub-1", "ses-1"))
    assert {image.path.name: image.kind for image in found} == {
        "sub-1_ses-1_T1w.nii.gz": "T1ce",
        "sub-1_ses-1_acq-x_T1w.nii.gz": "T1nce",
    }


def test_scans_tsv_may_tell_the_contrast(tmp_path):
    root = make_bids(tmp_path / "b", {"sub-1_ses-1_T1w": {}})
    (root / "sub-1/ses-1/sub-1_ses-1_scans.tsv").write_text(
        "filename\tContrastBolusAgent\nanat/sub-1_ses-1_T1w.nii.gz\tDotarem\n"
    )
    (image,) = Dataset(root).t1w(Visit("sub-1", "ses-1"))
    assert image.evidence == "scans.tsv"


@pytest.mark.parametrize(
    "filename",
    ["anat/sub-1_ses-1_T1w.nii.gz", "./anat/sub-1_ses-1_T1w.nii", "anat\\sub-1_ses-1_T1w.nii.gz"],
)
def test_scans_tsv_may_write_the_file_in_other_ways(tmp_path, filename):
    root = make_bids(tmp_path / "b", {"sub-1_ses-1_T1w": {}})
    (root / "sub-1/ses-1/sub-1_ses-1_scans.tsv").write_text(
        f'filename\tnote\tContrastBolusAgent\nanat/x.nii\t"\tnone\n{filename}\t\tDotarem\n'
    )
    (image,) = Dataset(root).t1w(Visit("sub-1", "ses-1"))
    assert image.evidence == "scans.tsv"


def test_the_scans_tsv_of_a_participant_counts_too(tmp_path):
    root = make_bids(tmp_path / "b", {"sub-1_ses-1_T1w": {}})
    (root / "sub-1/sub-1_scans.tsv").write_text(
        "filename\tContrastBolusAgent\nses-1/anat/sub-1_ses-1_T1w.nii.gz\tDotarem\n"
    )
    (image,) = Dataset(root).t1w(Visit("sub-1", "ses-1"))
    assert image.evidence == "scans.tsv"


def test_dots_in_labels_do_not_mix_sidecars(tmp_path):
    images = {
        "sub-1_ses-1_acq-1.5T_T1w": {"ContrastBolusAgent": "none"},
        "sub-1_ses-1_acq-1.0T_T1w": {"ContrastBolusAgent": "Dotarem"},
        "sub-1_ses-1_acq-1.5T_ce-gd_T1w": {"A": 1},
    }
    dataset = Dataset(make_bids(tmp_path / "b", images))
    found = {image.path.name[:-7]: image for image in dataset.t1w(Visit("sub-1", "ses-1"))}
    assert {name: image.kind for name, image in found.items()} == {
        "sub-1_ses-1_acq-1.5T_T1w": "T1nce",
        "sub-1_ses-1_acq-1.0T_T1w": "T1ce",
        "sub-1_ses-1_acq-1.5T_ce-gd_T1w": "T1ce",
    }
    for name, image in found.items():
        assert dataset.metadata(image.path) == images[name]
        assert dataset.own_sidecar(image.path).is_file()


@pytest.mark.parametrize("text", ["", "{", "[1]", json.dumps("x"), '{"a": inf}'])
def test_a_sidecar_that_is_no_json_is_named(tmp_path, text):
    root = make_bids(tmp_path / "b", {"sub-1_ses-1_T1w": {}})
    sidecar = root / "sub-1/ses-1/anat/sub-1_ses-1_T1w.json"
    sidecar.write_text(text)
    with pytest.raises(SelectionError, match=f"{sidecar}: not .*JSON"):
        Dataset(root).t1w(Visit("sub-1", "ses-1"))


def test_where_the_name_tells_the_sidecar_is_not_needed(tmp_path):
    root = make_bids(tmp_path / "b", {"sub-1_ses-1_ce-gd_T1w": {}})
    (root / "sub-1/ses-1/anat/sub-1_ses-1_ce-gd_T1w.json").write_text("{")
    (image,) = Dataset(root).t1w(Visit("sub-1", "ses-1"))
    assert image.kind == "T1ce"


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], "no such folder"),
        (["subjects/sub-1"], "a CAPS, not a BIDS"),
        (["code"], "no folder sub-"),
        (["sub-1/anat"], "outside of sessions"),
    ],
)
def test_what_is_no_bids_is_refused(tmp_path, folders, message):
    root = tmp_path / "b"
    for folder in folders:
        (root / folder).mkdir(parents=True)
    with pytest.raises(SelectionError, match=message):
        Dataset(root)


def test_dicom_is_told_what_makes_a_bids_of_it(tmp_path):
    slice_ = tmp_path / "export" / "series" / "1"
    slice_.parent.mkdir(parents=True)
    slice_.write_bytes(bytes(128) + b"DICM" + bytes(99))
    with pytest.raises(SelectionError, match="DICOM; make a BIDS data set of it first"):
        Dataset(tmp_path / "export")
