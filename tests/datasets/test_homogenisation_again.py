"""Homogenising a second time: what is there stays, what is not as it should be is made again."""

import gzip
import shutil

import nibabel as nib

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.datasets.homogenisation import homogenise
from clinica_t1nce.datasets.homogenisation_report import summarise
from clinica_t1nce.datasets.homogenisation_request import HomogenisationRequest
from tests.data.bids import tree
from tests.datasets.homogenised import ACQUIRED, SYNTHETIC, images_in, sidecar


def test_a_second_time_does_nothing(caps, out):
    homogenise(HomogenisationRequest(caps, out))
    before = tree(out)
    report = homogenise(HomogenisationRequest(caps, out))
    assert tree(out) == before
    assert (len(report.new), len(report.there), report.outdated) == (0, 4, [])


def test_new_visits_are_added_and_nothing_else_is_touched(caps, out):
    shutil.move(caps / "subjects/sub-02", caps / "away")
    homogenise(HomogenisationRequest(caps, out))
    before = tree(out)
    shutil.move(caps / "away", caps / "subjects/sub-02")
    report = homogenise(HomogenisationRequest(caps, out))
    assert report.new == [Visit("sub-02", "ses-M000")]
    after = tree(out)
    assert {name for name in before if after[name] != before[name]} == {
        "participants.tsv",
        "t1nce.tsv",
    }


def test_another_choice_waits_for_overwrite(caps, out):
    hidden = caps / "subjects/sub-01/ses-M000"
    shutil.move(hidden, caps / "away")
    homogenise(HomogenisationRequest(caps, out))
    assert sidecar(out, ACQUIRED)["T1nce"] == "synthetic"
    shutil.move(caps / "away", hidden)
    before = tree(out)
    report = homogenise(HomogenisationRequest(caps, out))
    assert report.outdated == [Visit("sub-01", "ses-M000")]
    assert tree(out) == before
    homogenise(HomogenisationRequest(caps, out, overwrite=True))
    assert sidecar(out, ACQUIRED)["T1nce"] == "acquired"
    assert homogenise(HomogenisationRequest(caps, out)).outdated == []


def test_what_is_damaged_or_made_from_a_file_that_changed_is_made_again(caps, out):
    homogenise(HomogenisationRequest(caps, out, copy=True))
    (out / ACQUIRED).write_bytes(b"")
    for source in caps.glob("subjects/sub-02/*/t1_synth_nce/*/*_desc-SynthNce_*T1w.nii.gz"):
        source.write_bytes(gzip.compress(gzip.decompress(source.read_bytes()), 0))
    report = homogenise(HomogenisationRequest(caps, out, copy=True))
    assert report.new == [Visit("sub-01", "ses-M000"), Visit("sub-02", "ses-M000")]
    assert report.again == {"damaged": 1, "source-changed": 1}
    lines = summarise(report, HomogenisationRequest(caps, out))
    assert "1 of them made again: their sources have changed since" in lines
    assert not homogenise(HomogenisationRequest(caps, out, copy=True)).new


def test_an_empty_synthetic_image_is_not_taken(caps, out):
    for image in caps.glob("subjects/sub-02/*/t1_synth_nce/*/*_desc-SynthNce_*T1w.nii.gz"):
        image.write_bytes(b"")
    assert homogenise(HomogenisationRequest(caps, out)).missing == (Visit("sub-02", "ses-M000"),)


def test_an_image_of_other_weights_is_told(caps, out):
    homogenise(HomogenisationRequest(caps, out))
    for path in caps.glob("subjects/sub-02/*/t1_synth_nce/*/*.json"):
        path.write_text(path.read_text().replace("0" * 64, "1" * 64))
    assert homogenise(HomogenisationRequest(caps, out)).outdated == [Visit("sub-02", "ses-M000")]


def test_a_run_that_was_killed_is_finished(caps, out):
    homogenise(HomogenisationRequest(caps, out))
    whole = images_in(out)
    (out / SYNTHETIC).unlink()
    (out / "t1nce.tsv").unlink()
    report = homogenise(HomogenisationRequest(caps, out))
    assert report.new == [Visit("sub-02", "ses-M000")]
    assert images_in(out) == whole
    assert (out / "t1nce.tsv").exists()


def test_a_dangling_link_is_made_again(caps, out, tmp_path):
    homogenise(HomogenisationRequest(caps, out))
    (out / SYNTHETIC).unlink()
    (out / SYNTHETIC).symlink_to(tmp_path / "nowhere")
    assert homogenise(HomogenisationRequest(caps, out)).new == [Visit("sub-02", "ses-M000")]
    nib.load(out / SYNTHETIC).get_fdata()
