import subprocess
import sys

import pytest
from click.testing import CliRunner

from clinica_t1nce.cli import main
from clinica_t1nce.models.storage import load_weights
from tests.data import checkpoints
from tests.models.test_averaging import save


@pytest.fixture
def checkpoint(tmp_path):
    state = checkpoints.authors_state("att-unet")
    return checkpoints.write(tmp_path / "checkpoint.pth.tar", state)


def invoke(*args):
    return CliRunner().invoke(main.cli, ["convert-weights", *map(str, args)])


def test_options_reach_the_card(tmp_path, checkpoint):
    out = tmp_path / "new folder" / "out.safetensors"
    result = invoke(checkpoint, out, "--name", "theirs", "--batch-statistics")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == f"weights: {out}"
    assert "att-unet, {'widths': [2, 4, 6, 8, 10]}" in result.output
    _, card = load_weights(out)
    assert (card.name, card.inference.batch_statistics) == ("theirs", True)


def test_without_options(tmp_path, checkpoint):
    result = invoke(checkpoint, tmp_path / "out.safetensors")
    assert result.exit_code == 0, result.output
    _, card = load_weights(tmp_path / "out.safetensors")
    assert (card.name, card.inference.batch_statistics) == ("out", False)


@pytest.mark.parametrize("name", ["out.safetensors", "out.json"])
def test_nothing_is_replaced_unless_asked(tmp_path, checkpoint, name):
    (tmp_path / name).write_text("precious")
    result = invoke(checkpoint, tmp_path / "out.safetensors")
    assert result.exit_code == 1
    assert f"{tmp_path / name}: exists" in str(result.exception)
    assert (tmp_path / name).read_text() == "precious"
    assert invoke(checkpoint, tmp_path / "out.safetensors", "--overwrite").exit_code == 0
    load_weights(tmp_path / "out.safetensors")


def test_wrong_usage(tmp_path, checkpoint):
    result = invoke(checkpoint, tmp_path / "out.pth")
    assert result.exit_code == 2
    assert "does not end in .safetensors" in result.output
    assert invoke(tmp_path / "none.tar", tmp_path / "out.safetensors").exit_code == 2


def test_a_checkpoint_that_does_not_fit_is_one_line(tmp_path, checkpoint):
    state = checkpoints.authors_state("att-unet")
    del state["Att3.psi.0.bias"]
    checkpoints.write(checkpoint, state)
    command = "from clinica_t1nce.cli.main import main; main()"
    out = tmp_path / "out.safetensors"
    arguments = [sys.executable, "-c", command, "convert-weights", str(checkpoint), str(out)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: {checkpoint}: not a whole AttU_Net: Att3.psi.0.bias missing; copy it again\n"
    )
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_mean_is_written_once(tmp_path):
    a, b = (save(tmp_path / f"{name}.safetensors", seed) for seed, name in enumerate("ab"))
    out = tmp_path / "new folder" / "mean.safetensors"
    arguments = ["average-weights", str(a), str(b), str(out)]
    result = CliRunner().invoke(main.cli, [*arguments, "--name", "ours"])
    assert result.exit_code == 0, result.output
    assert result.output == f"weights: {out}\n"
    assert load_weights(out)[1].name == "ours"
    again = CliRunner().invoke(main.cli, arguments)
    assert again.exit_code == 1
    assert "exists" in str(again.exception)
