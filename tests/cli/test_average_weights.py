from click.testing import CliRunner

from clinica_t1nce.cli import main
from clinica_t1nce.models.storage import load_weights
from tests.models.test_averaging import save


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
