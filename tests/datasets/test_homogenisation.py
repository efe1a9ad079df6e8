import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import query, table
from clinica_t1nce.datasets import homogenisation, outputs, separation
from clinica_t1nce.datasets.homogenisation import homogenise
from clinica_t1nce.datasets.homogenisation_report import summarise
from clinica_t1nce.datasets.homogenisation_request import HomogenisationRequest
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.text import read_rows
from tests.data.bids import (
    make_caps_of,
    make_synthetic,
    needs_validator,
    tree,
    validation_errors,
)
from tests.datasets.homogenised import ACQUIRED, KINDS, SYNTHETIC, images_in, sidecar


def test_every_session_has_exactly_one_t1w(caps, out):
    report = homogenise(HomogenisationRequest(caps, out))
    assert images_in(out) == [
        f"{visit}/anat/{visit.replace('/', '_')}_T1w.nii.gz" for visit in KINDS
    ]
    assert report.kinds == {"acquired": 3, "regenerated": 0, "synthetic": 1}
    rows = read_rows(out / "t1nce.tsv")
    assert {f"{row['participant_id']}/{row['session_id']}": row["t1nce"] for row in rows} == KINDS
    assert {row["model"] for row in rows if row["t1nce"] == "synthetic"} == {"m"}


@needs_validator
@pytest.mark.parametrize("space", ["mni-crop", "native"])
def test_it_is_valid_bids(caps, out, space):
    homogenise(HomogenisationRequest(caps, out, space=space))
    assert validation_errors(out) == []


def test_tables_are_those_of_the_bids(caps, out):
    homogenise(HomogenisationRequest(caps, out))
    assert (out / "participants.tsv").read_text().splitlines() == [
        "participant_id\tage",
        "sub-01\t40",
        "sub-02\t40",
        "sub-03\t40",
    ]
    assert (out / "sub-01/sub-01_sessions.tsv").read_text().splitlines() == [
        "session_id\tacq_time",
        "ses-M000\t2010-01-01T10:00:00",
        "ses-M012\t2010-01-01T10:00:00",
    ]
    assert (out / "sub-01/ses-M000/sub-01_ses-M000_scans.tsv").read_text().splitlines() == [
        "filename\tacq_time\tt1nce",
        "anat/sub-01_ses-M000_T1w.nii.gz\t2010-01-01T10:01:00\tacquired",
    ]


def test_participants_without_an_image_are_left_out(caps, out, tmp_path):
    shutil.rmtree(caps / "subjects/sub-02")
    homogenise(HomogenisationRequest(caps, out))
    rows = read_rows(out / "participants.tsv")
    assert [row["participant_id"] for row in rows] == ["sub-01", "sub-03"]


def test_sidecars_say_where_images_come_from(caps, out):
    homogenise(HomogenisationRequest(caps, out))
    acquired, synthetic = sidecar(out, ACQUIRED), sidecar(out, SYNTHETIC)
    assert acquired["Synthetic"] is False
    assert acquired["EchoTime"] == 0.003
    assert acquired["TakenBecause"] == "acquired before synthetic"
    assert synthetic["Synthetic"] is True
    assert synthetic["Model"]["Name"] == "m"
    assert not any(key.startswith("ContrastBolus") for key in synthetic)
    links = json.loads((out / "dataset_description.json").read_text())["DatasetLinks"]
    for content in (acquired, synthetic):
        assert len(content["Sources"]) == 2
        for source in content["Sources"]:
            _, name, path = source.split(":", 2)
            assert Path(links[name].removeprefix("file://"), path).exists()


def test_an_image_with_both_forms_is_linked_and_others_get_them(caps, out):
    homogenise(HomogenisationRequest(caps, out))
    assert (out / SYNTHETIC).is_symlink()
    assert not (out / ACQUIRED).is_symlink()
    source = next(caps.glob("subjects/sub-01/ses-M000/t1_linear/*Crop*"))
    old, new = nib.load(source), nib.load(out / ACQUIRED)
    assert np.array_equal(old.dataobj, new.dataobj)
    assert new.get_data_dtype() == old.get_data_dtype()
    assert old.get_qform(coded=True)[1] == 0
    for form, code in (new.get_qform(coded=True), new.get_sform(coded=True)):
        assert code == 2
        np.testing.assert_allclose(form, old.affine, atol=1e-5)
    assert "OriginMovedBy" not in sidecar(out, ACQUIRED)


def test_copies_are_files(caps, out):
    homogenise(HomogenisationRequest(caps, out, copy=True))
    assert not any(path.is_symlink() for path in out.rglob("*"))


def test_a_broken_image_costs_its_visit_only(caps, out):
    broken = next(caps.glob("subjects/sub-01/ses-M012/t1_linear/*Crop*"))
    broken.write_bytes(b"")
    report = homogenise(HomogenisationRequest(caps, out))
    assert list(report.failed) == [Visit("sub-01", "ses-M012")]
    assert str(broken) in report.failed[Visit("sub-01", "ses-M012")]
    assert len(report.new) == 3
    assert len(images_in(out)) == 3


def test_acquired_images_are_taken_where_a_model_failed_at_all_others(caps, out):
    request = HomogenisationRequest(caps, out, model="new", can_lack_synthetic=True)
    report = homogenise(request)
    assert report.kinds == {"acquired": 3, "regenerated": 0, "synthetic": 0}
    assert report.missing == (Visit("sub-02", "ses-M000"),)


def test_a_table_overrules_the_order(caps, out, tmp_path):
    choices = tmp_path / "c.tsv"
    image = next(caps.glob("subjects/sub-01/ses-M000ce/t1_synth_nce/*/*desc-SynthNce_res*.nii.gz"))
    choices.write_text(f"participant_id\tsession_id\tfilename\nsub-01\tses-M000\t{image.name}\n")
    homogenise(HomogenisationRequest(caps, out, choices=choices))
    assert sidecar(out, ACQUIRED)["T1nce"] == "synthetic"
    assert (out / ACQUIRED).readlink() == image


def test_all_images_through_the_generator(caps, out):
    for crop in caps.glob("subjects/*/*/t1_linear/*Crop*"):
        if "_ce-" not in crop.name:
            make_synthetic(crop, "m", selected_by="include-t1nce")
    report = homogenise(HomogenisationRequest(caps, out, include_t1nce=True))
    assert report.kinds == {"acquired": 0, "regenerated": 3, "synthetic": 1}
    content = sidecar(out, ACQUIRED)
    assert (content["Synthetic"], content["T1nce"]) == (True, "regenerated")
    assert content["EchoTime"] == 0.003
    with pytest.raises(SelectionError, match="all of them through the generator"):
        homogenise(HomogenisationRequest(caps, out))


def test_a_caps_that_says_no_bids_is_taken_as_it_is(caps, out):
    description = caps / "dataset_description.json"
    content = json.loads(description.read_text())
    description.write_text(json.dumps({**content, "Processing": []}))
    homogenise(HomogenisationRequest(caps, out))
    assert len(images_in(out)) == 6
    assert (out / "participants.tsv").read_text().splitlines()[0] == "participant_id"


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda caps: shutil.rmtree(caps.parent / "view"), {}, "no such folder.*--bids-directory"),
        (lambda caps: None, {"bids": Path("nowhere")}, "nowhere: no such folder"),
        (lambda caps: None, {"model": "x"}, "no images of a model x"),
        (lambda caps: make_synthetic(_crop(caps), "n"), {}, "several models"),
        (lambda caps: shutil.rmtree(caps / "subjects"), {}, "not a CAPS"),
        (lambda caps: _empty(caps), {}, "no T1nce, acquired or synthetic"),
        (
            lambda caps: _write(caps, "participants.tsv", b"participant_id\tn\nsub-01\tR\xe9mi\n"),
            {},
            "participants.tsv: not UTF-8 .line 2",
        ),
        (
            lambda caps: _write(
                caps, "participants.tsv", b"participant_id\nsub-01\nsub-02\nsub-01\n"
            ),
            {},
            "listed twice: sub-01 .rows 2 and 4",
        ),
        (
            lambda caps: _write(caps, "sub-01/sub-01_sessions.tsv", b"session_id\na\na\n"),
            {},
            "sub-01_sessions.tsv: listed twice: a",
        ),
        (
            lambda caps: (caps.parent / "view/participants.json").write_text("{"),
            {},
            "participants.json: not JSON",
        ),
        (lambda caps: _write(caps, "dataset_description.json", b"{"), {}, "description.json: not"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_nothing_is_made(caps, out, change, options, message):
    change(caps)
    with pytest.raises(SelectionError, match=message) as caught:
        homogenise(HomogenisationRequest(caps, out, **options))
    assert "\n" not in str(caught.value)
    assert not out.exists()


def _crop(caps):
    return next(caps.glob("subjects/*/*/t1_linear/*_ce-*Crop*"))


def _empty(caps):
    shutil.rmtree(caps / "subjects")
    (caps / "subjects").mkdir()


def _write(caps, name, content):
    # Only the copy of it that the CAPS was made from.
    path = caps.parent / "view" / name
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("anat/sub-01_ses-M012_T1w.json", b"{"),
        ("anat/sub-01_ses-M012_T1w.json", b'{"ContrastBolusAgent": "foo"}'),
        ("sub-01_ses-M012_scans.tsv", b"filename\na\na\n"),
        ("sub-01_ses-M012_scans.tsv", None),
    ],
)
def test_metadata_that_do_not_tell_stop_their_visit_only(caps, out, name, content):
    path = f"sub-01/ses-M012/{name}"
    _write(caps, path, content or b"")
    if content is None:
        (caps.parent / "view" / path).unlink()
        (caps.parent / "view" / path).symlink_to("not_fetched")
    # As t1-synth-nce left it when it met the same.
    crop = next(caps.glob("subjects/sub-01/ses-M012/t1_linear/*Crop*"))
    failed = table.failed_row(
        "sub-01", "ses-M012", f"bids::{crop.relative_to(caps)}", "m", query.UNDECIDED, "why"
    )
    table.rewrite(caps, [failed])
    report = homogenise(HomogenisationRequest(caps, out))
    assert list(report.failed) == [Visit("sub-01", "ses-M012")]
    assert sorted(map(str, report.new)) == ["sub-01 ses-M000", "sub-02 ses-M000", "sub-03 ses-M000"]
    assert not (out / "sub-01/ses-M012").exists()
    told = summarise(report, HomogenisationRequest(caps, out))
    assert any(name.rpartition("/")[2].split(".")[0] in line for line in told)
    assert any("'foo' (1x)" in line for line in told) is (b"foo" in (content or b""))


def test_a_table_tells_what_a_word_means(caps, out, tmp_path):
    name = "anat/sub-01_ses-M012_T1w.json"
    _write(caps, f"sub-01/ses-M012/{name}", b'{"ContrastBolusAgent": "Foo"}')
    (tmp_path / "words.tsv").write_text("word\tmeaning\nfoo\tnone\n")
    report = homogenise(HomogenisationRequest(caps, out, agent_words=tmp_path / "words.tsv"))
    assert not report.failed
    assert report.kinds["acquired"] == 3


def test_quotation_marks_in_the_tables_of_a_bids_lose_nobody(caps, out):
    rows = 'participant_id\tage\nsub-01\t"40\nsub-02\t41"\nsub-03\t"42"\n'
    _write(caps, "participants.tsv", rows.encode())
    homogenise(HomogenisationRequest(caps, out))
    assert (out / "participants.tsv").read_text() == rows


def test_other_options_do_not_go_into_an_old_data_set(caps, out):
    homogenise(HomogenisationRequest(caps, out))
    with pytest.raises(SelectionError, match="space mni-crop', not 'one T1nce a session, in the"):
        homogenise(HomogenisationRequest(caps, out, space="mni"))


@pytest.mark.parametrize("folder", ["caps", "caps/x", "view", "view/x", ".", "theirs"])
def test_a_folder_that_is_not_ours_is_refused(caps, tmp_path, folder):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.odt").touch()
    before = tree(tmp_path)
    with pytest.raises(SelectionError):
        homogenise(HomogenisationRequest(caps, tmp_path / folder))
    assert tree(tmp_path) == before


def test_checks_come_before_the_work(caps, out, tmp_path):
    origin = homogenisation.check_request(HomogenisationRequest(caps, out))
    assert origin.roots == [caps, tmp_path / "view"]
    assert not out.exists()


@pytest.mark.real
def test_real_images_in_their_own_space(shared_data, tmp_path, out):
    """Six visits with both images, four of them 186 to 386 mm from the origin of their world."""
    from clinica.iotools.data_handling import (
        are_images_centered_around_origin_of_world_coordinate_system,
    )

    source, raw = tmp_path / "bids", shared_data / "bids"
    for path in raw.rglob("*_T1w.*"):
        subject, session, anat, name = path.relative_to(raw).parts
        target = source / subject / "ses-M000" / anat / name.replace(session, "ses-M000")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    shutil.copyfile(raw / "dataset_description.json", source / "dataset_description.json")
    view = separation.plan_view(source)
    outputs.make_files(tmp_path / "view", view.files)
    assert view.visits["both"] == len(view.pairs) == 6
    caps = make_caps_of(tmp_path / "view", tmp_path / "caps")
    report = homogenise(HomogenisationRequest(caps, out, space="native"))
    assert report.kinds == {"acquired": 6, "regenerated": 0, "synthetic": 0}
    images = sorted(out.rglob("*_T1w.nii.gz"))
    assert are_images_centered_around_origin_of_world_coordinate_system(images, out)
    for image in images:
        old = nib.load(raw / image.relative_to(out))
        new = nib.load(image)
        assert np.array_equal(old.dataobj.get_unscaled(), new.dataobj.get_unscaled())
        moved = sidecar(out, image.relative_to(out)).get("OriginMovedBy", [0, 0, 0])
        np.testing.assert_allclose(new.affine[:3, 3] - old.affine[:3, 3], moved, atol=1e-3)


def test_crops_of_old_and_new_versions_are_flagged(caps, out):
    path = caps / "dataset_description.json"
    content = json.loads(path.read_text())
    (step,) = content["Processing"]
    content["Processing"].append({**step, "ClinicaVersion": "0.9.1"})
    path.write_text(json.dumps(content))
    report = homogenise(HomogenisationRequest(caps, out))
    told = [
        line
        for line in summarise(report, HomogenisationRequest(caps, out))
        if line.startswith("Warning")
    ]
    assert len(told) == 1
    assert "0.9.1" in told[0]
