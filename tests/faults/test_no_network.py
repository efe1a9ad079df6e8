"""No run asks the network for anything, and what it leaves names files relative to the data set."""

import subprocess
import sys

import pytest

from tests.data.caps import make_caps, save_weights
from tests.data.command import CLINICA, SMALL, environment, made, run


@pytest.mark.slow
@pytest.mark.skipif(not CLINICA.exists(), reason="no script clinica beside this Python")
@pytest.mark.parametrize("plugin", [None, "Linear"])
def test_nothing_is_asked_of_the_network(tmp_path, monkeypatch, plugin):
    log = tmp_path / "connections.txt"
    monkeypatch.setenv("CONNECTIONS", str(log))
    for name in ("NO_ET", "NIPYPE_NO_ET"):
        monkeypatch.delenv(name, raising=False)
    visits = {("sub-01", "ses-1"): "ce-gd", ("sub-02", "ses-1"): "ce-gd"}
    caps = make_caps(tmp_path / "caps", visits, shape=SMALL)
    bad = next(caps.glob("subjects/sub-02/*/t1_linear/*Crop*"))
    bad.write_bytes(b"")
    options = ["--model", save_weights(tmp_path / "weights"), "-wd", tmp_path / "wd"]
    options += [] if plugin is None else ["--nipype-plugin", plugin]
    code, out, err = run(caps, *options, cwd=tmp_path, small=True)
    assert (code, len(made(caps))) == (1, 1), out + err
    assert not log.exists(), log.read_text()

    left = [path for path in caps.rglob("t1_synth_nce*/**/*") if path.is_file()]
    left += [caps / "t1_synth_nce.tsv"]
    assert len(left) >= 5
    for path in left:
        assert str(tmp_path).encode() not in path.read_bytes(), path
    assert "an empty file" in (caps / "t1_synth_nce.tsv").read_text()

    # It would have been noticed.
    code = "import socket; socket.create_connection(('127.0.0.1', 9))"
    asked = subprocess.run(
        [sys.executable, "-c", code], env=environment(small=True), capture_output=True, check=False
    )
    assert asked.returncode == 1
    assert "127.0.0.1" in log.read_text()
