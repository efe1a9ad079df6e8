import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from clinica_t1nce.cli.train import cli
from tests.data import volumes
from tests.data.caps import crop_path

OPTIONS = (
    "--architecture change-unet --widths 4,8 --patch 16 --steps 6 --validate-every 2 "
    "--samples-every 0 --rate 1e-3 --device cpu --workers 0 --threads 1"
)


def make_pairs(folder: Path) -> tuple[Path, Path]:
    caps, lines = folder / "caps", ["participant_id\tsession_id_t1nce\tsession_id_t1ce\tsplit"]
    for seed in range(5):
        t1nce = volumes.brain(seed=seed)
        subject = f"sub-{seed:02d}"
        volumes.write(crop_path(caps, subject, "ses-A"), t1nce)
        volumes.write(crop_path(caps, subject, "ses-B", "ce-gd"), volumes.enhance(t1nce))
        lines.append(f"{subject}\tses-A\tses-B\t{'validation' if seed > 3 else 'train'}")
    tsv = folder / "pairs.tsv"
    tsv.write_text("\n".join(lines) + "\n")
    return caps, tsv


def arguments(caps: Path, tsv: Path, output: Path, *more: str) -> list[str]:
    return [str(caps), str(tsv), str(output), *OPTIONS.split(), *more]


def losses(output: Path) -> np.ndarray:
    return np.loadtxt(output / "metrics.tsv", skiprows=1, delimiter="\t")


@pytest.mark.slow
def test_two_processes_are_one_with_a_double_batch(tmp_path: Path) -> None:
    caps, tsv = make_pairs(tmp_path)
    result = CliRunner().invoke(cli, arguments(caps, tsv, tmp_path / "one", "--batch", "2"))
    assert result.exit_code == 0, result.output
    # As a user starts it: Lightning starts the program again for the second process.
    program = tmp_path / "program.py"
    program.write_text("from clinica_t1nce.cli.main import main; main()")
    words = arguments(caps, tsv, tmp_path / "two", "--batch", "1", "--devices", "2")
    done = subprocess.run(
        [sys.executable, str(program), "train", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    # Step, epoch, loss, and nine measures of the pair for validation.
    assert one.shape == (3, 12)
    assert one[:, :2].tolist() == two[:, :2].tolist()
    np.testing.assert_allclose(two[:, 2:], one[:, 2:], rtol=1e-3)
    # It is a curve.
    assert len(np.unique(one[:, 2])) == 3
