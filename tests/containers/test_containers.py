"""The recipes hold no steps of their own, and the BIDS App needs no more than engines give."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import clinica_t1nce
from clinica_t1nce.caps import sidecar
from tests.data.bids import make_bids

FOLDER = Path(__file__).parents[2] / "containers"
CHROOT = FOLDER / "chroot.sh"
STEP = "sh {0}/containers/install.sh {0}"


def lines(name):
    return [line.strip() for line in (FOLDER / name).read_text().splitlines()]


def sources():
    """Name what install.sh takes of a clone."""
    (copied,) = re.findall(r"cp -R ((?:.|\\\n)*?) \"\$work\"", (FOLDER / "install.sh").read_text())
    return {*copied.replace("\\\n", " ").split(), "containers"}


def test_every_recipe_runs_the_one_script_on_the_same_system():
    (suite,) = re.findall(r"(?m)^suite=(\w+)$", CHROOT.read_text())
    base = f"debian:{suite}-slim"
    docker, definition = lines("Dockerfile"), lines("clinica-t1nce.def")
    assert [line for line in docker if line.startswith(("FROM", "RUN"))] == [
        f"FROM {base}",
        f"RUN --mount=type=bind,target=/mnt {STEP.format('/mnt')}",
    ]
    assert f"From: {base}" in definition
    post = definition[definition.index("%post") + 1 : definition.index("%runscript")]
    assert [line for line in post if line] == [STEP.format("/source"), "rm -rf /source"]
    recipe = yaml.safe_load((FOLDER / "build.yaml").read_text())
    assert recipe["version"] == clinica_t1nce.__version__
    assert recipe["build"]["base-image"] == base
    (directive,) = recipe["build"]["directives"]
    assert STEP.format("/source") in directive["run"]
    assert STEP.format("/mnt") in " ".join(CHROOT.read_text().replace("\\\n", " ").split())


def test_every_recipe_brings_what_the_script_takes():
    assert all((FOLDER.parent / name).exists() for name in sources())
    ignored = lines("Dockerfile.dockerignore")
    assert {line.removeprefix("!") for line in ignored if line[0] == "!"} == sources()
    copied = re.findall(
        r"(?m)^    (\S+) /source/(\S+)$", (FOLDER / "clinica-t1nce.def").read_text()
    )
    assert {source for source, _ in copied} == sources()
    assert all(source == target for source, target in copied)


def in_container(data, out, *command):
    python = Path(sys.executable)
    words = [CHROOT, "run", python, data, out, *command]
    return subprocess.run(
        ["bash", *map(str, words)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(out.parent)},
    )


@pytest.fixture
def data(tmp_path):
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("chroot needs root and unshare")
    made = make_bids(tmp_path / "bids", {"sub-01_ses-1_ce-gd_T1w": {}, "sub-01_ses-2_T1w": {}})
    if in_container(made, tmp_path / "probe", "true").returncode:
        pytest.skip("no mounts of one's own can be made here")
    return made


@pytest.mark.slow
def test_bids_app_without_network_home_user_or_root_to_write_to(data, tmp_path):
    out = tmp_path / "out"
    refused = "for p in /x /usr/x /mnt/in/x; do ! touch $p || exit 3; done; ! env | grep ^HOME="
    alone = "[ $(id -u) = 4321 ] && ! id -un && [ $(grep -c : /proc/net/dev) = 1 ]"
    done = in_container(data, out, "sh", "-c", f"({refused}) && {alone}")
    assert done.returncode == 0, done.stderr
    app = ["clinica-t1nce", "bids", "/mnt/in", "/mnt/out"]
    for level in ("participant", "group"):
        done = in_container(data, out, *app, level)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    (image,) = out.rglob("*.nii.gz")
    assert sidecar.read(image)["Model"]["Name"]
    assert (out / "report.html").stat().st_uid == 4321
