"""A real SLURM: twenty visits by Nipype's plug-in, one job killed, and by an array job; a pair."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.data.caps import make_caps, save_weights
from tests.data.command import CLINICA, SMALL, environment, hidden, made, run, start, wait_for
from tests.pipelines.t1_synth_nce_evaluate import tiny

START = Path(__file__).with_name("start.sh")
DAEMONS = ("slurmctld", "slurmd", "munged", "sbatch")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CLINICA.exists(), reason="no script clinica beside this Python"),
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    missing = [name for name in DAEMONS if shutil.which(name, path=path) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}: run {START.name} --install for a SLURM")
    if os.geteuid() != 0:
        pytest.skip("only root can start a SLURM")
    folder = tmp_path_factory.mktemp("slurm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        done = subprocess.run([START, folder], capture_output=True, text=True, check=False)
        try:
            if done.returncode != 0:
                pytest.skip(f"SLURM does not start here: {done.stderr}")
            yield folder
        finally:
            subprocess.run([START, "--stop", folder], check=False)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def twenty(tmp_path):
    visits = {(f"sub-{n:02}", "ses-1"): "ce-gd" for n in range(20)}
    return make_caps(tmp_path / "caps", visits, shape=SMALL)


def jobs(state="all"):
    command = ["squeue", "-h", "-o", "%A", "-t", state]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def check_whole(caps):
    assert len(made(caps)) == 20
    assert (caps / "t1_synth_nce.tsv").read_text().count("\tdone\t") == 20
    assert hidden(caps) == []


def test_nipypes_plugin_with_a_job_that_is_killed(slurm, twenty, tmp_path, weights):
    options = ["--model", weights, "--no-report", "-wd", tmp_path / "wd"]
    options += ["--nipype-plugin", "SLURM"]
    options += ["--nipype-plugin-args", '{"n_procs": 5, "sbatch_args": "-n 1 --export=ALL"}']
    process = start(twenty, *options, cwd=tmp_path, small=True)
    seen = set()

    def at_work():
        seen.update(jobs())
        return made(twenty) and jobs("running")

    wait_for(at_work, process, 900)
    subprocess.run(["scancel", "--signal=KILL", "--full", jobs("running")[0]], check=False)
    out, err = process.communicate()
    assert "Traceback" not in out + err
    assert len(seen) >= 5
    # Its images were left to another job; whatever came of that, the same command completes.
    code, out, err = run(twenty, *options, cwd=tmp_path, small=True)
    assert code == 0, out + err
    check_whole(twenty)


def test_an_array_job_of_shards(slurm, twenty, tmp_path, weights, repository):
    command = ["sbatch", "--wait", "--array=1-5", "--cpus-per-task=1", "--mem=0"]
    script = repository / "examples" / "array_job.sh"
    options = ["--model", str(weights), "--device", "cpu", "--no-report"]
    variables = environment(small=True)
    variables["PATH"] = os.pathsep.join([str(CLINICA.parent), variables["PATH"]])
    subprocess.run(
        [*command, "-o", str(tmp_path / "%a.txt"), script, twenty, *options],
        check=True,
        cwd=tmp_path,
        env=variables,
    )
    parts = [(tmp_path / f"{index}.txt").read_text() for index in range(1, 6)]
    done = [int(part.partition("done     ")[2].split()[0]) for part in parts]
    assert sum(done) == 20
    assert all("failed   0" in part for part in parts)
    assert len(list(twenty.glob("t1_synth_nce_shard-*of5.tsv"))) == 5
    code, out, err = run(twenty, *options, cwd=tmp_path, small=True)
    assert code == 0, out + err
    assert "done     0" in out
    check_whole(twenty)


def test_an_evaluation(slurm, tmp_path):
    caps, pairs = make_caps(tmp_path / "caps", {}), tmp_path / "pairs.tsv"
    tiny.write_pair(caps, "sub-00", 0, {"good": 20})
    pairs.write_text(f"{tiny.HEADER}sub-00\tses-M000\tses-M000ce\tn/a\n")
    options = ["--segmentation", "labels:seg/{participant_id}_{image}.nii.gz", "--align", "none"]
    for plugin in ("Linear", "SLURM"):
        command = [CLINICA, "run", "t1-synth-nce-evaluate", caps, pairs, tmp_path / plugin]
        command += [*options, "-wd", tmp_path / f"wd-{plugin}", "--nipype-plugin", plugin]
        command += ["--nipype-plugin-args", '{"sbatch_args": "-n 1 --export=ALL"}']
        done = subprocess.run(
            [str(part) for part in command],
            cwd=tmp_path,
            env=environment(small=True),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for name in ("similarity.tsv", "volumes.tsv", "agreement.tsv"):
        assert (tmp_path / "SLURM" / name).read_bytes() == (tmp_path / "Linear" / name).read_bytes()
    assert len(list((tmp_path / "wd-SLURM").rglob("batchscript_*.sh"))) > 5
