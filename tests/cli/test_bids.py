import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import pytest
from click.testing import CliRunner

from clinica_t1nce.bids.entities import passes, read_filter
from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.cli.bids import cli, descriptor_of
from clinica_t1nce.cli.separate import cli as separate
from clinica_t1nce.errors import ImageError, SelectionError
from clinica_t1nce.pipelines.single_images import write_page_again
from clinica_t1nce.translation.single_files import SingleJob
from tests.data import volumes
from tests.data.bids import VALIDATOR, make_bids, needs_validator
from tests.data.caps import DETECTOR, save_weights

T1CE = {
    "sub-01/ses-M000/anat/sub-01_ses-M000",
    "sub-02/ses-M000/anat/sub-02_ses-M000_acq-late",
    "sub-03/ses-M000/anat/sub-03_ses-M000_acq-se",
    "sub-03/ses-M000/anat/sub-03_ses-M000_acq-mprage",
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_weights(tmp_path_factory.mktemp("weights"), calibration=DETECTOR)


@pytest.fixture
def run(weights):
    def call(*arguments):
        words = [*arguments, "--model", weights, "--device", "cpu", "-np", 1]
        return CliRunner().invoke(cli, [str(word) for word in words])

    return call


def made(out):
    images = out.rglob("*_desc-synthnce_T1w.nii.gz")
    return {str(image.relative_to(out)).partition("_desc-")[0] for image in images}


def test_exactly_the_t1ce_of_a_data_set_are_translated(tmp_path, run):
    bids, out = make_bids(tmp_path / "bids"), tmp_path / "bids" / "derivatives" / "t1nce"
    result = run(bids, out, "participant", "--skip-bids-validation", "--save-enhancement")
    assert result.exit_code == 0, result.output
    assert "4 T1ce to translate, 0 done before, 4 T1nce left alone" in result.output
    assert made(out) == T1CE
    image = out / "sub-01/ses-M000/anat/sub-01_ses-M000_desc-synthnce_T1w.nii.gz"
    content = sidecar.read(image)
    assert content["Sources"] == ["bids:raw:sub-01/ses-M000/anat/sub-01_ses-M000_ce-gd_T1w.nii.gz"]
    assert content["SkullStripped"] is True
    enhancement = out / "sub-01/ses-M000/anat/sub-01_ses-M000_desc-enhancement_T1w.nii.gz"
    assert nib.load(enhancement).shape == nib.load(image).shape
    assert image.with_name("sub-01_ses-M000_desc-synthnce_T1w.html").is_file()
    assert "tiny (SHA-256" in (out / "CITATION.md").read_text()
    description = json.loads((out / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["DatasetLinks"]["raw"] == bids.resolve().as_uri()

    image.unlink()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.nii.gz")}
    again = run(bids, out, "participant", "--skip-bids-validation", "--save-enhancement")
    assert "1 T1ce to translate, 3 done before" in again.output
    assert image.is_file()
    same = [path for path, time in before.items() if path.stat().st_mtime_ns == time]
    assert len(same) == len(before) - 1  # The enhancement is made again with the image.

    pages, times = [*out.rglob("*.html")], [path.stat().st_mtime_ns for path in before]
    for page in pages:
        page.write_text("old")
    reports = run(bids, out, "participant", "--skip-bids-validation", "--reports-only")
    assert reports.exit_code == 0, reports.output
    assert len(pages) == 4
    assert all("Synthetic T1nce" in page.read_text() for page in pages)
    assert [path.stat().st_mtime_ns for path in before] == times

    group = run(bids, out, "group")
    assert group.exit_code == 0, group.output
    assert "sub-03" in (out / "report.html").read_text()
    assert len(list(out.rglob("*_desc-synthnce_T1w.jpg"))) == 4
    table = (out / "t1nce.tsv").read_text().splitlines()
    assert len(table) == 1 + 4


def test_a_page_in_mni_space_needs_what_was_removed(tmp_path):
    page, data = tmp_path / "x_desc-synthnce_T1w.html", volumes.brain()
    image = volumes.write(page.with_suffix(".nii.gz"), data)
    sidecar.write(image, {"Space": "mni-crop", "SpatialReference": "MNI"})
    files = SingleJob(tmp_path / "source.nii.gz", image, page=page, space="mni-crop")
    with pytest.raises(ImageError, match="not kept in MNI space"):
        write_page_again(files)
    volumes.write(names.enhancement_path(image), data / 2)
    write_page_again(files)
    assert "Synthetic T1nce" in page.read_text()


@needs_validator
def test_the_derivative_is_valid(tmp_path, run):
    bids, out = make_bids(tmp_path / "bids"), tmp_path / "out"
    assert run(bids, out, "participant", "--skip-bids-validation").exit_code == 0
    run(bids, out, "group")
    done = subprocess.run(
        [VALIDATOR, out, "--ignoreWarnings", "--format", "json"], capture_output=True, text=True
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


def test_labels_sessions_and_filters_choose(tmp_path, run):
    bids, out = make_bids(tmp_path / "bids"), tmp_path / "out"
    options = ["--skip-bids-validation", "--participant-label", "01", "sub-03"]
    filters = tmp_path / "filter.json"
    filters.write_text(json.dumps({"t1w": {"acquisition": ["mprage", None]}, "bold": {}}))
    result = run(bids, out, "participant", *options, "--bids-filter-file", filters)
    assert result.exit_code == 0, result.output
    assert made(out) == {name for name in T1CE if "mprage" in name or "sub-01" in name}
    missing = run(bids, out, "participant", "--skip-bids-validation", "--participant_label", "07")
    assert missing.exit_code == 2
    assert "no participant sub-07" in missing.output
    nothing = run(bids, out, "participant", *options, "--session-label", "M100")
    assert nothing.exit_code == 2
    assert "no T1w of these" in nothing.output
    empty = tmp_path / "empty"
    empty.mkdir()
    # Said by us, before a validator is asked.
    refused = run(empty, out, "participant")
    assert refused.exit_code == 2
    assert "no folder sub-* in it" in refused.output


def test_images_outside_of_sessions(tmp_path, run):
    bids, out = make_bids(tmp_path / "bids", {"sub-01_ses-1_ce-gd_T1w": {}}), tmp_path / "out"
    anat = bids / "sub-01" / "anat"
    (bids / "sub-01" / "ses-1" / "anat").rename(anat)
    for path in anat.iterdir():
        path.rename(path.with_name(path.name.replace("_ses-1", "")))
    result = run(bids, out, "participant", "--skip-bids-validation")
    assert result.exit_code == 0, result.output
    assert made(out) == {"sub-01/anat/sub-01"}


def test_what_would_be_lost_is_refused(tmp_path, run):
    bids = make_bids(tmp_path / "bids")
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    view = tmp_path / "view"
    separated = CliRunner().invoke(separate, [str(bids), str(view)])
    assert separated.exit_code == 0, separated.output
    for out in (bids, bids / "sub-01", other, view):
        result = run(bids, out, "participant", "--skip-bids-validation")
        assert result.exit_code == 2, result.output
        assert len(result.output.splitlines()) == 1


def test_one_bad_image_stops_no_other(tmp_path, run):
    bids, out = make_bids(tmp_path / "bids"), tmp_path / "out"
    (bids / "sub-01/ses-M000/anat/sub-01_ses-M000_ce-gd_T1w.nii.gz").write_bytes(b"")
    result = run(bids, out, "participant", "--skip-bids-validation")
    assert result.exit_code == 1
    assert "sub-01_ses-M000_ce-gd_T1w.nii.gz" in result.output
    assert len(made(out)) == 3


@pytest.mark.parametrize(
    ("script", "message"),
    [("exit 1", "bids-validator finds errors in it"), ("echo no cache >&2; exit 1", "(no cache)")],
)
def test_an_invalid_data_set_is_not_begun(tmp_path, run, monkeypatch, script, message):
    fake = tmp_path / "bin" / "bids-validator"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent))
    bids = make_bids(tmp_path / "bids")
    result = run(bids, tmp_path / "out", "participant")
    assert result.exit_code == 2
    assert message in result.output
    assert "--skip-bids-validation" in result.output
    assert not (tmp_path / "out").exists()


def test_filters_in_words_of_pybids(tmp_path):
    path = tmp_path / "filter.json"
    path.write_text('{"t1w": {"datatype": "anat", "session": "*", "run": 1, "ceagent": null}}')
    conditions = read_filter(path)
    assert passes("sub-1_ses-a_run-01_T1w.nii.gz", conditions)
    assert not passes("sub-1_ses-a_ce-gd_run-01_T1w.nii.gz", conditions)
    assert not passes("sub-1_run-01_T1w.nii.gz", conditions)
    path.write_text('{"t1w": {"flavour": "sweet"}}')
    with pytest.raises(SelectionError, match="'flavour' is no entity"):
        read_filter(path)


BOSH = shutil.which("bosh", path=Path(sys.executable).parent) or shutil.which("bosh")


def test_every_option_is_described_and_no_other():
    content = descriptor_of(cli)
    hidden = {"boutiques", "help"}
    params = {param.name for param in cli.params} - hidden
    assert {item["id"] for item in content["inputs"]} == params
    assert all(item["value-key"] in content["command-line"] for item in content["inputs"])
    labels = next(item for item in content["inputs"] if item["id"] == "participants")
    assert labels["command-line-flag"] == "--participant-label"
    assert labels["list"]


@pytest.mark.skipif(BOSH is None, reason="no bosh (package boutiques) beside this Python")
def test_the_descriptor_is_valid_and_runs_the_command(tmp_path):
    path = tmp_path / "descriptor.json"
    path.write_text(CliRunner().invoke(cli, ["--boutiques"]).output)
    subprocess.run([BOSH, "validate", path], check=True)
    bids = tmp_path / "in"
    bids.mkdir()
    values = {"bids": str(bids), "out": "out", "level": "participant", "participants": ["1", "2"]}
    (tmp_path / "values.json").write_text(json.dumps(values))
    command = [BOSH, "exec", "simulate", path, "-i", tmp_path / "values.json"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "out participant --participant-label 1 2" in shown
