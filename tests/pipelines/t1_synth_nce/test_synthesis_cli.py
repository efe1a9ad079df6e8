import json
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from click.testing import CliRunner

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps.query import Crop, SelectedBy
from clinica_t1nce.datasets import homogenisation
from clinica_t1nce.datasets.homogenisation_request import HomogenisationRequest
from clinica_t1nce.engine.event_log import Event
from clinica_t1nce.errors import OutputError
from clinica_t1nce.pipelines.t1_synth_nce import synthesis_cli as module
from clinica_t1nce.pipelines.t1_synth_nce import synthesis_pipeline as pipeline_module
from clinica_t1nce.translation.options import GROUPS, Options
from tests.data.bids import make_bids, make_caps_of
from tests.data.caps import make_caps, save_weights

CROP = Crop(Visit("sub-01", "ses-1"), Path("/caps/x.nii.gz"), SelectedBy("tsv"))


class Recorder:
    """Stands for T1SynthNce and remembers what it was given."""

    outcomes = ()
    error = None
    report = None
    report_failures = ()
    remade: ClassVar = {}
    n_excluded = 0
    unknown_words = None

    def __init__(self, **arguments):
        self.seen = {"init": arguments}
        type(self).last = self
        self.caps_directory = Path(arguments["caps_directory"])
        self.table = self.caps_directory / "t1_synth_nce.tsv"
        self.card = SimpleNamespace(name="m")
        self.device, self.n_selected, self.n_to_do = "cpu", 2, 1
        self.options = arguments["parameters"]

    def plan(self, n_cores):
        return 1, n_cores

    def run(self, **arguments):
        if self.error is not None:
            raise self.error
        self.seen["run"] = arguments


@pytest.fixture(autouse=True)
def plain_log(monkeypatch):
    """Nipype's configuration is not this file's matter."""
    monkeypatch.setenv("CLINICA_LOGGING_DIR", "/tmp")


@pytest.fixture
def recorder(monkeypatch):
    kind = type("Recorder", (Recorder,), {})
    monkeypatch.setattr(pipeline_module, "T1SynthNce", kind)
    return kind


def run(*arguments):
    return CliRunner().invoke(module.cli, [str(argument) for argument in arguments])


def test_every_option_reaches_the_pipeline(tmp_path, recorder):
    tsv = tmp_path / "v.tsv"
    tsv.touch()
    result = run(
        *(tmp_path, "--model", "m", "--device", "cpu", "--no-report"),
        *("-tsv", tsv, "-wd", tmp_path / "wd"),
        *("-np", 1, "--caps-name", "n", "--overwrite_outputs", "--nipype-plugin", "SLURM"),
        *("--nipype-plugin-args", '{"sbatch_args": "-c 4"}'),
        *("--output-space", "mni", "--output-space", "native", "--bids-directory", tmp_path),
        *("--agent-words", tsv, "--shard", "2/3"),
        *("--blend", "change", "--save-enhancement", "--select", "image", "--include-t1nce"),
    )
    assert result.exit_code == 0, result.output
    assert recorder.last.seen["init"] == {
        "caps_directory": str(tmp_path),
        "tsv_file": str(tsv),
        "overwrite_caps": True,
        "base_dir": str(tmp_path / "wd"),
        "parameters": Options(
            model="m",
            device="cpu",
            select="image",
            include_t1nce=True,
            output_spaces=("mni", "native"),
            bids_directory=tmp_path,
            agent_words=tsv,
            shard="2/3",
            blend="change",
            save_enhancement=True,
            report=False,
        ),
        "name": "t1-synth-nce",
        "caps_name": "n",
    }
    assert recorder.last.seen["run"] == {
        "plugin": "SLURM",
        "plugin_args": {"sbatch_args": "-c 4", "n_procs": 1},
    }


def test_reports_only_and_no_report_exclude_each_other(tmp_path, recorder):
    assert run(tmp_path, "--reports-only").exit_code == 0
    assert recorder.last.seen["init"]["parameters"] == Options(reports_only=True)
    result = run(tmp_path, "--reports-only", "--no-report")
    assert result.exit_code == 2
    assert "give one of them" in result.output


def test_defaults(tmp_path, recorder):
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert recorder.last.seen["init"]["parameters"] == Options()
    assert recorder.last.seen["init"]["overwrite_caps"] is False
    assert recorder.last.seen["run"]["plugin"] is None
    assert recorder.last.seen["run"]["plugin_args"]["n_procs"] >= 1


def test_short_options(tmp_path, recorder):
    assert run(tmp_path, "-overwrite", "-cn", "n").exit_code == 0
    assert recorder.last.seen["init"]["overwrite_caps"] is True
    assert recorder.last.seen["init"]["caps_name"] == "n"


def test_plugin_arguments_from_a_file(tmp_path, recorder):
    (tmp_path / "a.json").write_text('{"x": 1}')
    options = ["--nipype-plugin", "Linear", "--nipype-plugin-args", tmp_path / "a.json"]
    assert run(tmp_path, *options).exit_code == 0
    assert recorder.last.seen["run"]["plugin_args"]["x"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "tpu"], "tpu"),
        (["--nipype-plugin", "Nope"], "no such plug-in; known: "),
        (["--nipype-plugin", "SLURM"], "add -wd FOLDER"),
        (["--nipype-plugin-args", "{}"], "needs --nipype-plugin"),
        (["--nipype-plugin", "Linear", "--nipype-plugin-args", "{"], "neither a JSON object"),
        (["--nipype-plugin", "Linear", "--nipype-plugin-args", "no.json"], "neither a JSON object"),
        (["--output-space", "moon"], "moon"),
        (["--blend", "smear"], "smear"),
        (["--select", "smell"], "smell"),
        (["-np", "0"], "number of processes"),
        (["--shard", "1/2", "--bids-output", "out"], "a last run without --shard"),
        (["-tsv", "nowhere.tsv"], "nowhere.tsv"),
    ],
)
def test_wrong_usage(tmp_path, recorder, options, message):
    result = run(tmp_path, *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_failure_is_exit_code_1_and_one_line(tmp_path, recorder):
    recorder.outcomes = [
        Event(CROP, "done", warning="1 voxel mended"),
        Event(CROP, "skipped"),
        Event(CROP, "failed", "bad", details="Traceback: very long"),
    ]
    result = run(tmp_path, "-wd", tmp_path)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert "Warning: /caps/x.nii.gz: 1 voxel mended" in lines
    assert "done     1" in lines
    assert "skipped  1 (--overwrite_outputs makes them again)" in lines
    assert "failed   1" in lines
    assert "  sub-01 ses-1: bad" in lines
    assert "very long" not in result.output
    (details,) = tmp_path.glob("t1-synth-nce-*.txt")
    assert details.read_text() == "Traceback: very long"
    assert str(details) in result.output


def test_many_warnings_are_cut_short(tmp_path, recorder):
    recorder.outcomes = [Event(CROP, "done", warning="odd")] * 14
    lines = run(tmp_path).output.splitlines()
    assert lines.count("Warning: /caps/x.nii.gz: odd") == 10
    assert "Warning: and 4 images more; see the column flag of the table" in lines


def test_success_is_exit_code_0(tmp_path, recorder):
    recorder.outcomes = [Event(CROP, "done"), Event(CROP, "skipped")]
    assert run(tmp_path).exit_code == 0


def test_a_caps_of_two_versions_of_clinica_is_flagged(tmp_path, recorder):
    steps = [{"Name": "t1-linear", "ClinicaVersion": version} for version in ("0.9.1", "0.12.0")]
    (tmp_path / "dataset_description.json").write_text(json.dumps({"Processing": steps}))
    assert "several versions of Clinica" in run(tmp_path).stderr


def test_what_is_made_again_is_told_with_the_reason(tmp_path, recorder):
    recorder.remade = {"source-changed": 1, "other-weights": 2}
    lines = run(tmp_path).output.splitlines()
    assert "1 image to be made again: their sources have changed since" in lines
    assert "2 images to be made again: other weights of this name had made them" in lines


def test_what_shows_no_gadolinium_is_counted_or_wrong_usage(tmp_path, recorder):
    recorder.n_excluded = 3
    result = run(tmp_path, "--select", "image")
    assert result.exit_code == 2
    assert "none of its 3 crops shows gadolinium" in result.output
    # Of a shard, it may be so.
    assert run(tmp_path, "--select", "image", "--shard", "1/3").exit_code == 0
    recorder.outcomes = [Event(CROP, "done")]
    result = run(tmp_path, "--select", "image")
    assert result.exit_code == 0
    assert "no T1ce  3 (the images show no gadolinium)" in result.output


def test_every_option_of_the_package_is_one_of_the_command():
    by_name = {option.name: option for option in module.cli.params}
    shown = [name for group in GROUPS for name in Options.names(group)]
    assert len(shown) >= 10
    assert [by_name[name].help for name in shown] == [Options.describe(name) for name in shown]


def test_ctrl_c_says_how_to_go_on(tmp_path, recorder):
    recorder.error = KeyboardInterrupt()
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "run the same command again" in result.output


def test_a_table_that_cannot_be_written_is_one_line(tmp_path, recorder):
    recorder.error = OutputError("t1_synth_nce.tsv: cannot be written")
    result = run(tmp_path)
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "Error: t1_synth_nce.tsv: cannot be written"


def break_weights(folder):
    path = save_weights(folder)
    path.write_bytes(path.read_bytes() + b"x")
    return path


def rename_architecture(folder):
    path = save_weights(folder)
    card = path.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), "architecture": "att-unet"}))
    return path


@pytest.mark.parametrize(
    ("make_model", "message"),
    [
        (lambda folder: folder / "none.safetensors", "no such file"),
        (break_weights, "SHA-256"),
        (rename_architecture, "att-unet"),
        (lambda folder: "nobody", "no weights 'nobody'"),
    ],
)
def test_bad_weights_end_it_before_any_work(tmp_path, make_model, message):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): "ce-gd"}, images=False)
    result = run(caps, "--model", make_model(tmp_path / "w"), "--device", "cpu")
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert line.startswith("Error: ")
    assert message in line
    assert not list(caps.rglob("t1_synth_nce*"))


@pytest.mark.parametrize(
    ("visits", "tsv", "message"),
    [
        ({("sub-01", "ses-1"): ""}, None, "no T1ce among its 1 crops"),
        ({}, None, "no crop of t1-linear"),
        ({("sub-01", "ses-1"): ""}, "sub-01\tses-1\n", "no column participant_id"),
        (
            {("sub-01", "ses-1"): ""},
            "participant_id\tsession_id\nsub-01\tses-9\n",
            "1 of its 1 visits have no crop",
        ),
    ],
)
def test_a_selection_of_nothing_is_one_line_and_exit_code_2(tmp_path, visits, tsv, message):
    caps = make_caps(tmp_path / "caps", visits, images=False)
    options = []
    if tsv is not None:
        (tmp_path / "v.tsv").write_text(tsv)
        options = ["-tsv", tmp_path / "v.tsv"]
    result = run(caps, *options)
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert message in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shard", "3/2"], "--shard 3/2: not I/N with I from 1 to N"),
        (["--shard", "1"], "not I/N"),
        (["--shard", "0/2"], "not I/N"),
        (["--output-space", "native"], "with --bids-directory"),
        (["--output-space", "native", "--bids-directory", "nowhere"], "nowhere: no such folder"),
        (["--output-space", "native", "--bids-directory", "."], "no folder sub-*"),
        (["--bids-directory", "caps"], "a CAPS, not a BIDS"),
        (["--select", "tsv"], "--select tsv needs a table"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line_and_exit_code_2(
    tmp_path, monkeypatch, options, message
):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): "ce-gd"}, images=False)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = run(caps, "--model", "nobody", *options)
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert message in line
    assert sorted(tmp_path.rglob("*")) == before


def test_a_working_directory_that_cannot_be_made_is_one_line(tmp_path, monkeypatch):
    monkeypatch.delenv("CLINICA_LOGGING_DIR")
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): "ce-gd"}, images=False)
    (tmp_path / "f").touch()
    result = run(caps, "-wd", tmp_path / "f" / "x")
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert "f/x: cannot be made" in line


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_no_caps(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / folder)
    assert result.exit_code == 2
    assert str(tmp_path / folder) in result.output
    assert len(result.output.splitlines()) == 1


def test_a_full_caps_is_exit_code_1(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline_module.description, "MB_PER_IMAGE", 10**12)
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): "ce-gd"}, images=False)
    result = run(caps, "--model", save_weights(tmp_path), "--device", "cpu")
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert " needed for 1 images" in line


@pytest.fixture
def homogenised(recorder, monkeypatch):
    """Record what is asked of the homogenisation, which finds one session without an image."""
    requests = []

    def homogenise(request):
        requests.append(request)
        return homogenisation.Report(missing=() if len(requests) > 1 else (CROP.visit,))

    monkeypatch.setattr(homogenisation, "homogenise", homogenise)
    return requests


def test_a_homogenised_data_set_is_made_in_the_end(tmp_path, homogenised):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): ""}, images=False)
    result = run(caps, "--bids-output", tmp_path / "out")
    assert result.exit_code == 1
    assert "1 session without" in result.output
    assert homogenised == [
        HomogenisationRequest(caps, tmp_path / "out", model="m", can_lack_synthetic=True)
    ]
    result = run(caps, "--bids-output", tmp_path / "out")
    assert result.exit_code == 0
    assert "Next: clinica run t1-volume-tissue-segmentation" in result.output


def test_a_session_that_was_not_listed_counts_in_a_data_set(tmp_path, recorder, homogenised):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): ""}, images=False)
    (tmp_path / "one.tsv").touch()
    recorder.outcomes = [Event(CROP, "done")]
    result = run(caps, "-tsv", tmp_path / "one.tsv", "--bids-output", tmp_path / "out")
    assert result.exit_code == 1
    assert "listed or not, has no T1nce" in " ".join(run("--help").output.split())


def test_the_homogenised_data_set_has_the_first_space(tmp_path, homogenised):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): ""}, images=False)
    bids = make_bids(tmp_path / "bids", {"sub-01_ses-1_T1w": {}})
    options = ["--output-space", "native", "--output-space", "mni", "--bids-directory", bids]
    run(caps, "--bids-output", tmp_path / "out", *options)
    (request,) = homogenised
    assert (request.space, request.bids) == ("native", bids)


def test_a_bad_output_folder_is_told_before_any_work(tmp_path, recorder, homogenised):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): ""}, images=False)
    result = run(caps, "--bids-output", caps / "bids")
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert "lies in the input" in line
    assert homogenised == []
    assert not hasattr(recorder, "last")


def test_crops_that_are_not_asked_for_cannot_go_into_a_caps(tmp_path, recorder, homogenised):
    caps = make_caps(tmp_path / "caps", {("sub-01", "ses-1"): ""}, images=False)
    outputs = ["--bids-output", tmp_path / "out", "--caps-output", tmp_path / "new"]
    result = run(caps, *outputs, "--output-space", "mni")
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert "add --output-space mni-crop" in line
    assert not hasattr(recorder, "last")
    run(caps, *outputs, "--output-space", "mni", "--output-space", "mni-crop")
    assert homogenised[0].caps_output == tmp_path / "new"


def test_acquired_images_are_taken_where_all_others_failed(tmp_path, recorder):
    bids = make_bids(tmp_path / "bids", {"sub-01_ses-1_T1w": {}, "sub-02_ses-1_ce-gd_T1w": {}})
    caps = make_caps_of(bids, tmp_path / "caps", model=None)
    recorder.outcomes = [Event(CROP, "failed", "bad")]
    result = run(caps, "--bids-output", tmp_path / "out")
    assert result.exit_code == 1
    assert "1 session with one T1nce" in result.output
    assert "1 session without" in result.output
