"""Several starts on one CAPS, each with Clinica's own constructor."""

import json
import logging
import subprocess
import sys
import tempfile

import pytest

from clinica_t1nce.caps import dataset
from clinica_t1nce.errors import OutputError
from clinica_t1nce.pipelines import sharing
from clinica_t1nce.pipelines.t1_synth_nce.pipeline import T1SynthNce
from tests.data.caps import make_caps, save_weights

STARTS = """
import sys
import time
from clinica.dataset.caps._dataset_description import CAPSDatasetDescription
from clinica_t1nce.pipelines.t1_synth_nce.pipeline import T1SynthNce

def write_slowly(self, to):
    text = str(self)
    to.write(text[:50])
    to.flush()
    time.sleep(0.2)
    to.write(text[50:])

CAPSDatasetDescription.write = write_slowly
caps, weights, base, number = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(number)):
    T1SynthNce(caps, base_dir=base, parameters={"model": weights, "device": "cpu"})
"""


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path_factory, monkeypatch):
    """Clinica makes a working directory for each pipeline, run or not."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("tmp")))


@pytest.fixture
def caps(tmp_path):
    return make_caps(tmp_path / "caps", {("sub-01", "ses-1"): "ce-gd"}, images=False)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return str(save_weights(tmp_path_factory.mktemp("weights")))


def construct(caps, weights, **arguments):
    return T1SynthNce(caps, parameters={"model": weights, "device": "cpu"}, **arguments)


def noted(caps):
    content = json.loads((caps / "dataset_description.json").read_text())
    return [item["Name"] for item in content["Processing"]]


def test_the_description_is_replaced_never_emptied(caps, weights, tmp_path):
    reader = (caps / "dataset_description.json").open()
    before = (caps / "dataset_description.json").read_text()
    construct(caps, weights)
    assert reader.read() == before
    reader.close()
    assert noted(caps) == ["t1-synth-nce"]


def test_clinica_is_as_before(caps, weights):
    import clinica.dataset

    before = clinica.dataset.write_caps_dataset_description
    construct(caps, weights)
    assert clinica.dataset.write_caps_dataset_description is before


def test_processes_that_start_at_the_same_time_do_not_meet(caps, weights, tmp_path):
    command = [sys.executable, "-c", STARTS, caps, weights]
    processes = [
        subprocess.Popen(
            [*map(str, command), str(tmp_path / name), "5"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    assert noted(caps) == ["t1-synth-nce"]
    assert [path.name for path in caps.iterdir() if path.name.startswith(".")] == []


def test_a_description_that_is_being_written_is_read_again(caps, weights, monkeypatch):
    path = caps / "dataset_description.json"
    whole = path.read_text()
    path.write_text(whole[:20])
    monkeypatch.setattr(dataset.time, "sleep", lambda seconds: path.write_text(whole))
    construct(caps, weights)
    assert noted(caps) == ["t1-synth-nce"]


def test_clinica_is_given_another_try_too(caps, weights, monkeypatch):
    path = caps / "dataset_description.json"
    whole = path.read_text()

    def initialise(**arguments):
        calls.append(arguments)
        json.loads(path.read_text())

    calls = []
    path.write_text("")
    pauses = iter([lambda: None, lambda: path.write_text(whole)])
    monkeypatch.setattr(sharing.time, "sleep", lambda seconds: next(pauses)())
    sharing.construct(initialise, name="x")
    assert calls == [{"name": "x"}] * 3


def test_a_caps_that_cannot_be_written_to_is_not_noted_in(caps, weights, monkeypatch, caplog):
    def refuse(path):
        raise OutputError(f"{path}: cannot be written (Read-only file system)")

    before = (caps / "dataset_description.json").read_text()
    monkeypatch.setattr(sharing.atomic, "temporary", refuse)
    with caplog.at_level(logging.WARNING, "clinica_t1nce"):
        construct(caps, weights)
    assert "the run is not noted there" in caplog.text
    assert (caps / "dataset_description.json").read_text() == before


def test_a_working_directory_is_one_runs_at_a_time(tmp_path):
    wd = tmp_path / "new" / "wd"
    own_folder = sharing.own_folder
    with own_folder(wd) as first, own_folder(wd) as second, own_folder(wd) as third:
        assert first == wd
        assert {second.parent, third.parent} == {wd}
        assert second != third
    with own_folder(wd) as later:
        assert later == wd


def test_a_working_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match=r"file/wd: cannot be written to .*; give another"),
        sharing.own_folder(tmp_path / "file" / "wd"),
    ):
        pass
