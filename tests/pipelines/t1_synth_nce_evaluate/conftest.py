import pytest
from nipype import config

from tests.data.caps import make_caps
from tests.pipelines.t1_synth_nce_evaluate.tiny import HEADER, write_pair


@pytest.fixture(autouse=True)
def own_configuration(monkeypatch):
    """Nipype as it is by default, however a command has left it."""
    monkeypatch.setenv("CLINICA_LOGGING_DIR", "/tmp")
    yield
    config.set_default_config()


@pytest.fixture
def caps(tmp_path):
    root = make_caps(tmp_path / "caps", {})
    for seed in range(3):
        write_pair(root, f"sub-0{seed}", seed)
    return root


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    rows = (f"sub-0{n}\tses-M000\tses-M000ce\t{q}\n" for n, q in enumerate(["good", "low", "good"]))
    path.write_text(HEADER + "".join(rows))
    return path
