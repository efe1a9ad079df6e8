import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from clinica_t1nce.cli import main
from clinica_t1nce.datasets import homogenisation, outputs, separation
from clinica_t1nce.datasets.homogenisation import Report
from clinica_t1nce.datasets.homogenisation_request import HomogenisationRequest, overwriting_command
from clinica_t1nce.models.storage import DEFAULT_MODEL
from tests.data.bids import make_bids, make_caps_of, tree
from tests.data.caps import save_weights


def run(*arguments):
    return CliRunner().invoke(main.cli, ["homogenise", *map(str, arguments)])


@pytest.fixture
def caps(tmp_path):
    source = make_bids(tmp_path / "bids")
    outputs.make_files(tmp_path / "view", separation.plan_view(source).files)
    return make_caps_of(tmp_path / "view", tmp_path / "caps")


def test_a_caps(caps, tmp_path):
    out = tmp_path / "out"
    result = run(caps, out)
    assert result.exit_code == 0, result.output
    first, last = result.output.splitlines()
    assert first == (f"4 sessions with one T1nce in {out}: 3 acquired, 1 synthetic; 4 new")
    assert last.startswith(f"Next: clinica run t1-volume-tissue-segmentation {out} CAPS_OF_VOLUMES")
    assert "a new folder" in last
    before = tree(out)
    assert "; 0 new" in run(caps, out).output
    assert tree(out) == before


def test_the_weights_are_named_as_for_t1_synth_nce(caps, tmp_path):
    weights = save_weights(tmp_path, name="m")
    result = run(caps, tmp_path / "out", "--model", weights)
    assert result.exit_code == 0, result.output
    assert "3 acquired, 1 synthetic" in result.output
    result = run(caps, tmp_path / "other", "--model", "default")
    assert f"no images of a model {DEFAULT_MODEL}; it has those of m" in str(result.exception)


def test_every_option_reaches_the_code(tmp_path, monkeypatch):
    requests = []
    monkeypatch.setattr(
        homogenisation, "homogenise", lambda request: requests.append(request) or Report()
    )
    (tmp_path / "c.tsv").touch()
    options = ["--bids-directory", "b", "--model", "m", "--space", "native", "--copy"]
    options += [
        "--agent-words",
        tmp_path / "c.tsv",
        "--include-t1nce",
        "--overwrite",
        "--caps-output",
        "n",
        "-tsv",
        tmp_path / "c.tsv",
    ]
    assert run("caps", "out", *options).exit_code == 0
    assert run("caps", "out").exit_code == 0
    paths = [type(tmp_path)(name) for name in ("caps", "out", "b")]
    assert requests == [
        HomogenisationRequest(
            *paths, "m", "native", True, *[tmp_path / "c.tsv"] * 2, True, True, Path("n")
        ),
        HomogenisationRequest(*paths[:2]),
    ]


def test_what_is_missing_or_broken_is_told_and_exit_code_1(caps, tmp_path):
    shutil.rmtree(next(caps.glob("subjects/sub-02/*/t1_synth_nce")))
    broken = next(caps.glob("subjects/sub-01/ses-M012/t1_linear/*Crop*"))
    broken.write_bytes(b"")
    result = run(caps, tmp_path / "out")
    assert result.exit_code == 1
    assert (
        "1 session without: their images have no synthetic T1nce (sub-02 ses-M000)" in result.output
    )
    assert f"  sub-01 ses-M012: {broken}: not a readable NIfTI file" in result.output


def test_another_choice_is_told(caps, tmp_path):
    run(caps, tmp_path / "out")
    shutil.rmtree(next(caps.glob("subjects/sub-01/ses-M000/t1_linear")))
    result = run(caps, tmp_path / "out")
    assert "1 of them hold another image than would be taken now (sub-01 ses-M000)" in result.output
    assert result.exit_code == 0
    command = next(line for line in result.output.splitlines() if "to take it" in line)
    words = shlex.split(command.partition("to take it: ")[2])
    assert words[:2] == ["clinica-t1nce", "homogenise"]
    assert "hold another image" not in run(*words[2:]).output
    assert "hold another image" not in run(caps, tmp_path / "out").output


def test_the_command_that_overwrites_has_all_options(caps, tmp_path):
    request = HomogenisationRequest(
        *(Path(name) for name in ("caps", "out", "b")),
        "m",
        "native",
        True,
        *(Path("c.tsv"), Path("w.tsv")),
        copy=True,
        caps_output=Path("n"),
    )
    assert overwriting_command(request) == (
        "clinica-t1nce homogenise caps out --overwrite --model m --space native "
        "--bids-directory b -tsv c.tsv --agent-words w.tsv --caps-output n --include-t1nce --copy"
    )
