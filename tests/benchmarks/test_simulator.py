import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
import pytest

from tests.data.heads import label_map


def script(repository: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, repository / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    nib.save(nib.Nifti1Image(label_map().astype(np.int16), np.eye(4)), tmp_path / "a_dseg.nii.gz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rate_and_parts_are_printed(
    folder: Path,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = f"simulator {folder} --side 16 --pairs 3 --device cpu --parts"
    monkeypatch.setattr(sys, "argv", words.split())
    script(repository, "simulator").main()
    printed = capsys.readouterr().out
    assert "3 pairs of 16^3, cpu, 1 CPU threads:" in printed
    assert "\nPlacement " in printed
    assert "\nNoise " in printed


def test_figure_is_drawn_and_the_same_each_time(
    folder: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one.png", "two.png"):
        words = f"simulated_pairs {folder} --pairs 3 --out {name}"
        monkeypatch.setattr(sys, "argv", words.split())
        script(repository, "simulated_pairs").main()
    one, two = (Path(name).read_bytes() for name in ("one.png", "two.png"))
    assert len(one) > 5000
    assert one == two
