import json
from pathlib import Path

import pytest

from clinica_t1nce.datasets import outputs
from clinica_t1nce.datasets.outputs import Entry
from clinica_t1nce.errors import OutputError, SelectionError


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "source"
    root.mkdir()
    (root / "a.nii").write_bytes(b"voxels")
    return root


def plan(source):
    return {
        Path("dataset_description.json"): Entry(
            text=outputs.description_text({}, [source], "separate", "x")
        ),
        Path("sub-1/a.nii"): Entry(source / "a.nii"),
    }


def test_files_are_linked_once(tmp_path, source):
    out = tmp_path / "out"
    assert outputs.make_files(out, plan(source)) == 2
    assert (out / "sub-1/a.nii").readlink() == source / "a.nii"
    assert (out / "sub-1/a.nii").read_bytes() == b"voxels"
    assert outputs.make_files(out, plan(source)) == 0
    assert outputs.conflicts(out, plan(source)) == []


def test_files_are_copied(tmp_path, source):
    out = tmp_path / "out"
    assert outputs.make_files(out, plan(source), copy=True) == 2
    assert not (out / "sub-1/a.nii").is_symlink()
    assert (out / "sub-1/a.nii").read_bytes() == b"voxels"
    assert outputs.conflicts(out, plan(source)) == []
    (source / "a.nii").write_bytes(b"more voxels")
    assert outputs.conflicts(out, plan(source)) == [Path("sub-1/a.nii")]


def test_files_are_copied_where_links_are_not_possible(tmp_path, source, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    outputs.make_files(tmp_path / "out", plan(source))
    assert not (tmp_path / "out/sub-1/a.nii").is_symlink()
    assert (tmp_path / "out/sub-1/a.nii").read_bytes() == b"voxels"


def test_a_link_to_another_file_is_a_conflict(tmp_path, source):
    outputs.place(tmp_path / "out/sub-1/a.nii", source / "b.nii")
    assert outputs.conflicts(tmp_path / "out", plan(source)) == [Path("sub-1/a.nii")]


def test_a_full_disk_is_told_before(tmp_path, source, monkeypatch):
    usage = type("Usage", (), {"free": 3})
    monkeypatch.setattr(outputs.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OutputError, match="needed for copies"):
        outputs.make_files(tmp_path / "out", plan(source), copy=True)


def test_a_new_an_empty_and_our_own_folder_pass(tmp_path, source):
    out = tmp_path / "out"
    outputs.check_folder(out, [source], "separate", "x")
    out.mkdir()
    outputs.check_folder(out, [source], "separate", "x")
    outputs.make_files(out, plan(source))
    outputs.check_folder(out, [source], "separate", "x")


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("source", "is the input"),
        ("source/derivatives/view", "lies in the input"),
        (".", "holds the input"),
        ("source/a.nii", "lies in the input"),
        ("file", "a file, not a folder"),
        ("others", "did not make"),
        ("damaged", "did not make"),
        ("listed", "did not make"),
        ("homogenised", "did not make"),
        ("elsewhere", "was made from file:///elsewhere, not from"),
        ("other", "holds 'y', not 'x'"),
    ],
)
def test_what_is_not_ours_is_refused(tmp_path, source, out, message):
    (tmp_path / "file").touch()
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "thesis.odt").touch()
    texts = {
        "damaged": "{",
        "listed": "[]",
        "homogenised": outputs.description_text({}, [source], "homogenise", "x"),
        "elsewhere": outputs.description_text({}, [Path("/elsewhere")], "separate", "x"),
        "other": outputs.description_text({}, [source], "separate", "y"),
    }
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset_description.json").write_text(text)
    with pytest.raises(SelectionError, match=message):
        outputs.check_folder(tmp_path / out, [source], "separate", "x")


def test_a_link_to_the_input_is_the_input(tmp_path, source):
    (tmp_path / "link").symlink_to(source)
    with pytest.raises(SelectionError, match="is the input"):
        outputs.check_folder(tmp_path / "link", [source], "separate", "x")


def test_the_description_keeps_what_the_source_says(source):
    before = {"Name": "N", "BIDSVersion": "1.7.0", "License": "CC0", "DatasetType": "derivative"}
    content = json.loads(
        outputs.description_text(before, [source], "homogenise", "one T1w a session")
    )
    assert content["Name"] == "N"
    assert (content["BIDSVersion"], content["License"]) == ("1.7.0", "CC0")
    assert content["DatasetType"] == "raw"
    assert content["GeneratedBy"][0]["Name"] == "clinica-t1nce"
    assert content["SourceDatasets"] == [{"URL": source.as_uri()}]


def test_what_is_hidden_does_not_count(tmp_path):
    assert not outputs.holds_files(tmp_path / "nowhere")
    (tmp_path / ".1234-ab.part").touch()
    assert not outputs.holds_files(tmp_path)
    (tmp_path / "a").touch()
    assert outputs.holds_files(tmp_path)
