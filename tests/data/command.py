"""The command as a user types it, in a process of its own, and what it leaves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

CLINICA = Path(sys.executable).with_name("clinica")


SMALL = (24, 24, 24)
"""Voxels of the crops that a command with `small` takes."""


def environment(small=False):
    kept = {key: value for key, value in os.environ.items() if key != "CLINICA_LOGGING_DIR"}
    if small:
        folders = [Path(__file__).with_name("small"), Path(__file__).parents[2], *sys.path]
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, map(str, folders)))
    return {**kept, "COLUMNS": "200"}


def start(caps, *options, cwd, small=False, **process):
    command = [CLINICA, "run", "t1-synth-nce", caps, "--device", "cpu", *options]
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env=environment(small),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_signals,
        **process,
    )


def _heed_signals():
    # Tests that run in the background of a shell, or under nohup, ignore these, and so would it.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def run(caps, *options, cwd, small=False):
    process = start(caps, *options, cwd=cwd, small=small)
    out, err = process.communicate()
    return process.returncode, out, err


def made(caps):
    return sorted(caps.glob("subjects/*/*/t1_synth_nce/model-*/*.nii.gz"))


def fingerprints(paths):
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in paths}


def hidden(caps):
    return [path for path in caps.rglob(".*") if path.is_file()]


def wait_for(condition, process, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
