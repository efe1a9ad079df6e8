import json
import shutil
from collections import namedtuple

import pytest

from clinica_t1nce.caps import description
from clinica_t1nce.errors import OutputError, SelectionError
from tests.data.caps import make_caps


@pytest.fixture
def caps(tmp_path):
    return make_caps(tmp_path / "caps", {})


def test_a_caps_passes(caps):
    description.require_caps(caps)
    assert description.name_of(caps) == "small"


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(SelectionError, match="no such folder"):
        description.require_caps(tmp_path / "nowhere")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(SelectionError, match="an empty folder"):
        description.require_caps(tmp_path)


def test_a_bids_is_recognised(tmp_path):
    (tmp_path / "sub-01").mkdir()
    with pytest.raises(SelectionError, match="a BIDS data set, not a CAPS"):
        description.require_caps(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Name": "x"}'])
def test_a_damaged_description_is_named(caps, text):
    (caps / "dataset_description.json").write_text(text)
    with pytest.raises(SelectionError, match=r"dataset_description\.json: not a readable"):
        description.require_caps(caps)


def test_a_raw_data_set_is_refused(caps):
    (caps / "dataset_description.json").write_text('{"DatasetType": "raw"}')
    with pytest.raises(SelectionError, match="type 'raw'"):
        description.require_caps(caps)


@pytest.mark.parametrize("key", ["Name", "BIDSVersion", "CAPSVersion"])
def test_a_description_that_clinica_cannot_use_is_named(caps, key):
    path = caps / "dataset_description.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, key: None}))
    with pytest.raises(SelectionError, match=f"{path}: lacks {key}, which Clinica needs"):
        description.require_caps(caps)
    del content[key]
    path.write_text(json.dumps(content))
    with pytest.raises(SelectionError, match="t1-linear writes BIDSVersion"):
        description.require_caps(caps)


def test_a_caps_without_description_needs_a_name(caps):
    (caps / "dataset_description.json").unlink()
    with pytest.raises(SelectionError, match="--caps-name"):
        description.require_caps(caps)
    description.require_caps(caps, name="mine")
    assert description.name_of(caps) is None
    description.add(caps, "mine", bids_version="1.7.0", caps_version="1.0.0")
    description.require_caps(caps)
    assert description.name_of(caps) == "mine"


def test_a_description_is_never_replaced(caps):
    description.add(caps, "other", bids_version="1.7.0", caps_version="1.0.0")
    assert json.loads((caps / "dataset_description.json").read_text())["Name"] == "small"


def test_checking_for_room_leaves_nothing(caps):
    description.check_room(caps, 1)
    assert list((caps / "subjects").iterdir()) == []


def test_a_full_disk_is_told_before_any_work(caps, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 100 * 10**6))
    description.check_room(caps, 8)
    with pytest.raises(OutputError, match="about 108 MB needed for 9 images, 100 MB free"):
        description.check_room(caps, 9)


def test_an_unwritable_caps_is_told_before_any_work(caps, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(description.tempfile, "mkdtemp", refuse)
    with pytest.raises(OutputError, match="Read-only file system"):
        description.check_room(caps, 1)


@pytest.mark.parametrize(
    ("versions", "mixed"),
    [
        (["0.12.0"], False),
        (["0.9.1"], False),
        (["0.9.1", "0.12.0"], True),
        (["0.12.0", "1.0"], False),
    ],
)
def test_crops_of_old_and_new_versions_are_flagged(caps, versions, mixed):
    path = caps / "dataset_description.json"
    steps = [{"Name": "t1-linear", "ClinicaVersion": version} for version in versions]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"Processing": steps}))
    told = description.mixed_versions(caps) or ""
    assert bool(told) == mixed
    assert all(version in told for version in versions if mixed)
