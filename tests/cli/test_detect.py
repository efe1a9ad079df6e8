import csv

import pytest
from click.testing import CliRunner

from clinica_t1nce.caps import names
from clinica_t1nce.cli import detect as module
from clinica_t1nce.engine.event_log import Event
from clinica_t1nce.errors import SelectionError, WeightsError
from clinica_t1nce.pipelines import detection
from clinica_t1nce.translation import classification
from tests.data import volumes
from tests.data.bids import make_bids
from tests.data.caps import DETECTOR, MIXED, make_caps, save_weights


@pytest.fixture(autouse=True)
def plain_log(monkeypatch):
    """Nipype's configuration is not this file's matter."""
    monkeypatch.setenv("CLINICA_LOGGING_DIR", "/tmp")


@pytest.fixture
def judged(monkeypatch):
    """Stand in for the processes: the first image cannot be read, the others show gadolinium."""
    asked = []

    def work(self, folder, plugin_args, quiet):
        asked.append((len(self.to_do), plugin_args["n_procs"]))
        first, *others = self.to_do
        for _, crop in others:
            path = names.gadolinium_path(crop)
            path.parent.mkdir(parents=True, exist_ok=True)
            model = f'{{"SHA256": "{self._model.card.sha256}"}}'
            path.write_text(f'{{"GadoliniumProbability": 0.9, "Model": {model}}}')
        self.outcomes = [Event(first, "failed", f"{first[1]}: an empty file; make it again")]

    monkeypatch.setattr(detection.Detection, "work", work)
    return asked


def run(*arguments):
    return CliRunner().invoke(module.cli, [str(argument) for argument in arguments])


def test_table_summary_and_exit_code(tmp_path, judged):
    caps = make_caps(tmp_path / "caps", {("sub-00", "ses-1"): "", **MIXED}, images=False)
    weights = save_weights(tmp_path, calibration=DETECTOR)
    result = run(caps, "--model", weights, "--device", "cpu", "-np", 2)
    assert result.exit_code == 1, result.output
    assert judged == [(4, 2)]
    assert "T1ce    3" in result.output
    assert "failed  1" in result.output
    assert "an empty file" in result.output
    assert "sub-01 ses-M000: the image shows gadolinium, the metadata do not" in result.output
    with (caps / classification.NAME).open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file, delimiter="\t"))) == 3
    run(caps, "--model", weights, "--device", "cpu", "-np", 1)
    assert judged[1:] == [(1, 1)]
    run(caps, "--model", weights, "--device", "cpu", "-np", 1, "--overwrite")
    assert judged[2:] == [(4, 1)]


def test_a_tsv_limits_it(tmp_path, judged):
    caps = make_caps(tmp_path / "caps", MIXED, images=False)
    tsv = tmp_path / "visits.tsv"
    tsv.write_text("participant_id\tsession_id\nsub-02\tses-M000ce\n")
    run(caps, "--model", save_weights(tmp_path, calibration=DETECTOR), "-tsv", tsv, "-np", 1)
    assert judged == [(1, 1)]


@pytest.mark.parametrize(
    ("calibration", "options", "error", "message"),
    [
        (None, [], WeightsError, "clinica-t1nce calibrate"),
        (DETECTOR, ["--bids-directory", "nowhere"], SelectionError, "nowhere: no such folder"),
    ],
)
def test_what_cannot_be_done_is_told(tmp_path, calibration, options, error, message):
    caps = make_caps(tmp_path / "caps", MIXED, images=False)
    weights = save_weights(tmp_path, calibration=calibration)
    result = run(caps, "--model", weights, "--device", "cpu", *options)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)
    assert not (caps / classification.NAME).exists()


def test_metadata_that_cannot_be_compared_are_told_before_and_after(tmp_path, judged):
    caps = make_caps(tmp_path / "caps", {("sub-00", "ses-1"): "ce-gd", **MIXED}, images=False)
    anat = tmp_path / "bids/sub-01/ses-M000/anat"
    anat.mkdir(parents=True)
    (anat / "sub-01_ses-M000_T1w.json").write_text('{"TotalReadoutTime": inf}')
    weights = save_weights(tmp_path, calibration=DETECTOR)
    options = ["--model", weights, "--device", "cpu", "--bids-directory", tmp_path / "bids"]
    run(caps, *options, "-np", 1)
    result = run(caps, *options, "-np", 1)
    assert result.exit_code == 1, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("Warning: the metadata of 1 of 4 images cannot be compared")
    assert "metadata that cannot be compared  1" in lines
    assert "sub-01_ses-M000_T1w.json: not JSON (line 1" in result.output
    with (caps / classification.NAME).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["metadata"] for row in rows] == ["cannot be read", "ce entity", "ce entity"]
    assert rows[0]["contradiction"] == "n/a"


def rows(text):
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def test_files_before_t1_linear(tmp_path):
    weights = save_weights(tmp_path / "weights", calibration=DETECTOR)
    volumes.write(tmp_path / "in" / "a.nii", volumes.enhance(volumes.brain()))
    volumes.write(tmp_path / "in" / "b.nii", volumes.brain()[:, :, 0])
    result = run(tmp_path / "in", "--model", weights, "--device", "cpu", "-np", 1)
    assert result.exit_code == 1
    assert "b.nii: 2-D" in result.stderr
    (row,) = rows(result.stdout)
    assert row["source"] == str(tmp_path / "in" / "a.nii")
    assert 0 <= float(row["probability"]) <= 1
    assert row["metadata"] == "n/a"


def test_bids_before_t1_linear(tmp_path):
    weights = save_weights(tmp_path / "weights", calibration=DETECTOR)
    bids = make_bids(tmp_path / "bids")
    table = tmp_path / "new" / "found.tsv"
    result = run(bids, "-o", table, "--model", weights, "--device", "cpu", "-np", 1)
    assert result.exit_code == 0, result.output
    found = {row["source"]: row for row in rows(table.read_text())}
    assert len(found) == 8
    for path, row in found.items():
        said = "ce-gd" in path or "acq-late" in path
        assert (row["metadata"] != "nothing") == said
        assert (row["contradiction"] != "n/a") == (said != (row["image"] == "T1ce"))


def test_metadata_of_a_bids_that_cannot_be_compared_are_told(tmp_path):
    weights = save_weights(tmp_path / "weights", calibration=DETECTOR)
    unknown = {"ContrastBolusAgent": "frobnicate 10 ml"}
    images = {"sub-1_ses-1_T1w": unknown, "sub-1_ses-1_ce-gd_T1w": {}, "sub-2_ses-1_T1w": {}}
    bids = make_bids(tmp_path / "bids", images)
    result = run(bids, "--model", weights, "--device", "cpu", "-np", 1)
    assert result.exit_code == 1, result.output
    first, heading, error, words = result.stderr.splitlines()
    assert first.startswith("Warning: the metadata of 1 of 3 images cannot be compared")
    assert heading == "metadata that cannot be compared  1"
    assert "sub-1_ses-1_T1w" in error
    assert "'frobnicate 10 ml' (1x); say what each means in a table" in words
    found = [(row["metadata"], row["contradiction"]) for row in rows(result.stdout)]
    assert found == [
        ("cannot be read", "n/a"),
        ("ce entity", "n/a"),
        ("nothing", "the image shows gadolinium, the metadata do not"),
    ]


@pytest.mark.parametrize("kind", ["caps", "files"])
def test_words_without_metadata_are_refused(tmp_path, kind):
    words = tmp_path / "words.tsv"
    words.write_text("word\tmeaning\nMagnescan\tgiven\n")
    source = (
        make_caps(tmp_path / "caps", MIXED, images=False)
        if kind == "caps"
        else volumes.write(tmp_path / "a.nii", volumes.brain())
    )
    result = run(source, "--agent-words", words)
    assert result.exit_code == 2
    assert "--agent-words is for words in the metadata of a BIDS" in result.output


def test_options_of_a_caps_are_refused_elsewhere(tmp_path):
    source = volumes.write(tmp_path / "a.nii", volumes.brain())
    result = run(source, "--overwrite")
    assert result.exit_code == 2
    assert "are for a CAPS" in result.output
