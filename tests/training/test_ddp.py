import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def one(pairs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Give the losses of one process with a double batch."""
    output = tmp_path_factory.mktemp("one") / "out"
    result = CliRunner().invoke(cli, arguments(*pairs, output, "--batch", "2"))
    assert result.exit_code == 0, result.output
    return losses(output)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Give what a user starts: Lightning starts the program again for more processes."""
    path = tmp_path / "program.py"
    path.write_text("from clinica_t1nce.cli.main import main; main()")
    return path


@contextmanager
def two_nodes() -> Iterator[list[str]]:
    """Join two network namespaces by a cable: each can reach the other, and nothing else."""
    nodes = [f"t1nce-{os.getpid()}-{side}" for side in "ab"]
    try:
        try:
            for node in nodes:
                ip("netns", "add", node)
            cable = ("netns", nodes[0], "type", "veth", "peer", "name", "cable", "netns", nodes[1])
            ip("link", "add", "cable", *cable)
            for number, node in enumerate(nodes, start=1):
                ip("-n", node, "addr", "add", f"10.9.0.{number}/24", "dev", "cable")
                for device in ("lo", "cable"):
                    ip("-n", node, "link", "set", device, "up")
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces here: {getattr(error, 'stderr', None) or error}")
        yield nodes
    finally:
        for node in nodes:
            with suppress(OSError, subprocess.CalledProcessError):
                ip("netns", "del", node)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], capture_output=True, text=True, check=True)


def check_equal(one: np.ndarray, two: np.ndarray) -> None:
    # Step, epoch, loss, and nine measures of the pair for validation.
    assert one.shape == (3, 12)
    assert one[:, :2].tolist() == two[:, :2].tolist()
    np.testing.assert_allclose(two[:, 2:], one[:, 2:], rtol=1e-3)
    # It is a curve.
    assert len(np.unique(one[:, 2])) == 3


@pytest.mark.slow
def test_two_processes_are_one_with_a_double_batch(
    pairs: tuple[Path, Path], one: np.ndarray, program: Path, tmp_path: Path
) -> None:
    words = arguments(*pairs, tmp_path / "two", "--batch", "1", "--devices", "2")
    done = subprocess.run(
        [sys.executable, str(program), "train", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    check_equal(one, losses(tmp_path / "two"))


@pytest.mark.slow
def test_two_nodes_are_one_with_a_double_batch(
    pairs: tuple[Path, Path], one: np.ndarray, program: Path, tmp_path: Path
) -> None:
    words = arguments(*pairs, tmp_path / "two", "--batch", "1", "--num-nodes", "2")
    variables = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "cable"}
    variables |= {"MASTER_ADDR": "10.9.0.1", "MASTER_PORT": "29500"}
    with two_nodes() as nodes:
        processes = [
            subprocess.Popen(
                ["ip", "netns", "exec", node, sys.executable, str(program), "train", *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, **variables, "NODE_RANK": str(rank)},
            )
            for rank, node in enumerate(nodes)
        ]
        said = [processes[0].communicate()[0]]
        if processes[0].returncode != 0:
            # The other one would wait for it.
            processes[1].kill()
        said.append(processes[1].communicate()[0])
    assert [process.returncode for process in processes] == [0, 0], "\n".join(said)
    check_equal(one, losses(tmp_path / "two"))
