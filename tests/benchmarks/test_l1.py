import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest

from clinica_t1nce.errors import WeightsError
from tests.data import volumes


@pytest.fixture(scope="module")
def script(repository):
    spec = importlib.util.spec_from_file_location("l1", repository / "benchmarks" / "l1.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pairs(script):
    t1nce = script.scaled(volumes.brain())
    t1ce = script.scaled(volumes.enhance(volumes.brain()))
    return [
        script.Scaled("1", "simulated", t1ce, t1nce, np.eye(4)),
        script.Scaled("2", "simulated", t1nce, t1nce, np.eye(4)),
        script.Scaled("sub-01", "real", t1ce, t1nce, np.eye(4)),
    ]


class TooBright:
    card = SimpleNamespace(grid=(8, 8, 8))

    def __call__(self, t1ce, affine):
        return SimpleNamespace(image=t1ce + 0.01)


def test_rows_table_and_picture(script, pairs, tmp_path):
    models = {"too bright": TooBright()}
    rows = [row for pair in pairs for row in script.measure(pair, script.make(pair, models))]
    of_t1ce = float(np.abs(pairs[0].t1ce - pairs[0].t1nce).mean())
    assert of_t1ce > 0
    assert [row.l1 for row in rows if row.method == script.NOTHING] == pytest.approx(
        [of_t1ce, 0, of_t1ce]
    )
    assert [row.l1 for row in rows if row.method == "T1ce through 8³"][1] > 0.001
    assert rows[5].l1 == pytest.approx(0.01, abs=1e-6)
    table = script.markdown(rows).splitlines()
    assert table[0] == "| method | simulated (2) | real (1) | sub-01 |"
    mean, real = f"{50 * of_t1ce:.2f}", f"{100 * of_t1ce:.2f}"
    assert table[2] == f"| T1ce as it is | {mean} | {real} | {real} |"
    assert len({line.count("|") for line in table}) == 1
    shown = script.planes(pairs[0], script.make(pairs[0], models))
    assert list(shown) == [script.NOTHING, "T1ce through 8³", "too bright", "T1nce"]
    script.draw([shown, shown], tmp_path / "l1.png")
    assert (tmp_path / "l1.png").read_bytes().startswith(b"\x89PNG")


def test_models_of_another_scaling_are_refused(script):
    with pytest.raises(WeightsError, match="change-unet-v5: not scaled as the paper's"):
        script.load("change-unet-v5", "cpu")
