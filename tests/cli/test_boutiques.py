import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from clinica_t1nce.cli.bids import cli
from clinica_t1nce.cli.boutiques import describe

BOSH = shutil.which("bosh", path=Path(sys.executable).parent) or shutil.which("bosh")


def test_every_option_is_described_and_no_other():
    content = describe(cli)
    hidden = {"boutiques", "help"}
    params = {param.name for param in cli.params} - hidden
    assert {item["id"] for item in content["inputs"]} == params
    assert all(item["value-key"] in content["command-line"] for item in content["inputs"])
    labels = next(item for item in content["inputs"] if item["id"] == "participants")
    assert labels["command-line-flag"] == "--participant-label"
    assert labels["list"]


@pytest.mark.skipif(BOSH is None, reason="no bosh (package boutiques) beside this Python")
def test_the_descriptor_is_valid_and_runs_the_command(tmp_path):
    path = tmp_path / "descriptor.json"
    path.write_text(CliRunner().invoke(cli, ["--boutiques"]).output)
    subprocess.run([BOSH, "validate", path], check=True)
    bids = tmp_path / "in"
    bids.mkdir()
    values = {"bids": str(bids), "out": "out", "level": "participant", "participants": ["1", "2"]}
    (tmp_path / "values.json").write_text(json.dumps(values))
    command = [BOSH, "exec", "simulate", path, "-i", tmp_path / "values.json"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "out participant --participant-label 1 2" in shown
