"""Several starts on one CAPS, each with Clinica's own constructor."""

import fcntl
import json
import logging
import os
import subprocess
import sys
import tempfile

import pytest

from clinica_t1nce.caps import description
from clinica_t1nce.errors import OutputError
from clinica_t1nce.pipelines import clinica_quirks
from clinica_t1nce.pipelines.t1_synth_nce.synthesis_pipeline import T1SynthNce
from tests.data.caps import make_caps

STARTS = """
import sys
import time
from clinica.dataset.caps._dataset_description import CAPSDatasetDescription
from clinica_t1nce.pipelines.t1_synth_nce.synthesis_pipeline import T1SynthNce

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


@pytest.fixture
def caps(tmp_path):
    return make_caps(tmp_path / "caps", {("sub-01", "ses-1"): "ce-gd"}, images=False)


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
    monkeypatch.setattr(description.time, "sleep", lambda seconds: path.write_text(whole))
    construct(caps, weights)
    assert noted(caps) == ["t1-synth-nce"]


def test_the_description_alone_is_tried_again(caps, weights, monkeypatch):
    """Not the constructor, which would look at the whole CAPS again."""
    path = caps / "dataset_description.json"
    whole = path.read_text()
    pipeline = construct(caps, weights)
    path.write_text("")
    pauses = iter([lambda: None, lambda: path.write_text(whole)])
    monkeypatch.setattr(clinica_quirks.time, "sleep", lambda seconds: next(pauses)())
    calls = []

    def initialise(**arguments):
        import clinica.dataset

        calls.append(arguments)
        clinica.dataset.check_caps_dataset(caps)
        clinica.dataset.write_caps_dataset_description(caps, caps, "another")

    clinica_quirks.construct(initialise, name="x")
    assert calls == [{"name": "x"}]
    assert next(pauses, None) is None
    assert noted(caps) == ["another"]
    assert pipeline.n_to_do == 1


def test_a_description_that_stays_broken_is_an_error(caps, monkeypatch):
    monkeypatch.setattr(clinica_quirks.time, "sleep", lambda seconds: None)
    (caps / "dataset_description.json").write_text("")
    with clinica_quirks.muted_clinica(), pytest.raises(ValueError, match="Expecting value"):
        clinica_quirks.note_run(caps, caps, "x")


def test_a_description_that_another_holds_is_waited_for(caps, monkeypatch):
    monkeypatch.setattr(clinica_quirks, "SECONDS_FOR_THE_LOCK", 0.05)
    descriptor = os.open(caps, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    clinica_quirks.note_run(caps, caps, "x", dataset_name="small")
    os.close(descriptor)
    assert noted(caps) == ["x"]


def test_a_pipeline_that_is_never_run_leaves_nothing(caps, weights, tmp_path, monkeypatch):
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    construct(caps, weights)
    assert list(folder.iterdir()) == []


def test_a_caps_that_cannot_be_written_to_is_not_noted_in(caps, weights, monkeypatch, caplog):
    def refuse(path):
        raise OutputError(f"{path}: cannot be written (Read-only file system)")

    before = (caps / "dataset_description.json").read_text()
    monkeypatch.setattr(clinica_quirks.atomic, "temporary", refuse)
    with caplog.at_level(logging.WARNING, "clinica_t1nce"):
        construct(caps, weights)
    assert "the run is not noted there" in caplog.text
    assert (caps / "dataset_description.json").read_text() == before
