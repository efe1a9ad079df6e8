"""Kills, terminations and Ctrl-C at any moment: nothing is lost, and the same command completes."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.data.caps import make_caps, save_weights
from tests.data.command import (
    CLINICA,
    SMALL,
    children,
    fingerprints,
    hidden,
    made,
    run,
    start,
    wait_for,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CLINICA.exists(), reason="no script clinica beside this Python"),
]

KILLS = int(os.environ.get("FAULTS_KILLS", "10"))
"""Number of kills at random moments."""


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def three(tmp_path):
    return make_caps(
        tmp_path / "caps", {(f"sub-0{n}", "ses-1"): "ce-gd" for n in range(3)}, shape=SMALL
    )


def contents(caps):
    """All that a run writes, without times: images, sidecars, pages, table and index."""
    found = {}
    for path in [*caps.rglob("t1_synth_nce*/**/*"), caps / "t1_synth_nce.tsv"]:
        if path.suffix == ".json":
            content = json.loads(path.read_text())
            found[path] = {k: v for k, v in content.items() if k not in TIMES}
        elif path.suffix == ".tsv":
            rows = [line.split("\t") for line in path.read_text().splitlines()]
            found[path] = [row[:9] + row[10:] for row in rows]
        elif path.is_file():
            found[path] = path.read_bytes()
    return found


TIMES = ("GeneratedAt", "DurationSeconds")


def test_killed_at_random_moments_and_started_again(three, tmp_path, weights):
    options = ["--model", weights, "-wd", tmp_path / "wd"]
    begin = time.monotonic()
    assert run(three, *options, cwd=tmp_path, small=True)[0] == 0
    duration = time.monotonic() - begin
    undisturbed = contents(three)
    assert len(made(three)) == 3
    moments = random.Random(0)
    for number in range(KILLS):
        if len(made(three)) == 3:
            for folder in three.rglob("t1_synth_nce*"):
                shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
        process = start(three, *options, cwd=tmp_path, small=True, start_new_session=True)
        try:
            process.communicate(timeout=moments.uniform(0, duration))
        except subprocess.TimeoutExpired:
            # The whole group, as a node that goes down, or the command alone.
            (os.killpg if number % 2 else os.kill)(process.pid, signal.SIGKILL)
            process.communicate()
        for path in made(three):
            assert path.read_bytes() == undisturbed[path]
    code, out, err = run(three, *options, cwd=tmp_path, small=True)
    assert code == 0, out + err
    assert contents(three) == undisturbed
    assert hidden(three) == []


def test_no_worker_outlives_a_killed_command_and_nothing_is_made_twice(three, tmp_path, weights):
    process = start(three, "--model", weights, cwd=tmp_path, small=True)
    wait_for(lambda: len(made(three)) >= 1, process)
    workers = children(process.pid)
    assert workers
    process.send_signal(signal.SIGKILL)
    process.communicate()
    end = time.monotonic() + 60
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < end, "a worker outlived the command"
        time.sleep(0.1)
    survived = fingerprints(made(three))
    code, out, err = run(three, "--model", weights, cwd=tmp_path, small=True)
    assert code == 0, out + err
    assert f"skipped  {len(survived)}" in out
    after = fingerprints(made(three))
    assert len(after) == 3
    assert {path: after[path] for path in survived} == survived


def test_a_killed_worker_costs_nothing(three, tmp_path, weights):
    process = start(three, "--model", weights, "-np", 1, cwd=tmp_path, small=True)
    wait_for(lambda: len(made(three)) >= 1, process)
    (worker,) = children(process.pid)
    os.kill(worker, signal.SIGKILL)
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    assert "done     3" in out
    assert "Traceback" not in out + err
    assert (three / "t1_synth_nce.tsv").read_text().count("\tdone\t") == 3


@pytest.mark.parametrize("plugin", [None, "Linear"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_termination_says_what_is_left_and_leaves_nothing_to_clean(
    tmp_path, temporary_folder, weights, number, plugin
):
    # Enough that some are left when the first is seen.
    caps = make_caps(
        tmp_path / "caps", {(f"sub-{n:02}", "ses-1"): "ce-gd" for n in range(10)}, shape=SMALL
    )
    options = [] if plugin is None else ["--nipype-plugin", plugin]
    process = start(caps, "--model", weights, "-np", 1, *options, cwd=tmp_path, small=True)
    wait_for(lambda: len(made(caps)) >= 1, process)
    assert list(temporary_folder.iterdir()) != []
    process.send_signal(number)
    out, err = process.communicate()
    left = 10 - len(made(caps))
    word = "interrupted" if number == signal.SIGINT else "terminated"
    assert process.returncode == (1 if number == signal.SIGINT else 128 + number)
    # The image at hand may be caught between its last rename and the word that it is done.
    assert err.splitlines()[-1] in [
        f"Error: {word}, {n} left to do; run the same command again to go on"
        for n in (left, left + 1)
    ]
    assert left > 0
    assert "Traceback" not in out + err
    assert list(temporary_folder.iterdir()) == []
    assert hidden(caps) == []


def test_two_at_once_on_one_caps(tmp_path, weights):
    caps = make_caps(
        tmp_path / "caps", {(f"sub-0{n}", "ses-1"): "ce-gd" for n in range(2)}, shape=SMALL
    )
    options = ["--model", weights, "-np", "1", "-wd", tmp_path / "wd"]
    processes = [start(caps, *options, cwd=tmp_path, small=True) for _ in range(2)]
    for process in processes:
        out, err = process.communicate()
        assert process.returncode == 0, out + err
        assert "Traceback" not in out + err
        assert "Warning: report" not in err
    contents = [path.read_bytes() for path in made(caps)]
    assert len(contents) == 2
    assert hidden(caps) == []
    assert json.loads((caps / "dataset_description.json").read_text())["Processing"]
    table = (caps / "t1_synth_nce.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in table[1:]] == ["sub-00", "sub-01"]
    index = (caps / "t1_synth_nce_report" / "report.html").read_text()
    assert all(f"pages/sub-0{n}_ses-1_" in index for n in range(2))
    code, out, err = run(caps, "--model", weights, "-overwrite", cwd=tmp_path, small=True)
    assert code == 0, out + err
    assert [path.read_bytes() for path in made(caps)] == contents
