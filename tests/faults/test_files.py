"""Files and disks that fail while a batch runs: the others are made, and each failure is a line."""

import errno
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from clinica_t1nce.errors import OutputError, SelectionError
from clinica_t1nce.files import atomic, nifti
from clinica_t1nce.pipelines.t1_synth_nce.synthesis_pipeline import T1SynthNce
from clinica_t1nce.synthesis.synthesizer import Synthesizer
from tests.data.caps import crop_path, head, make_caps, save_weights, write_crop
from tests.data.command import CLINICA, SMALL, environment, hidden, made

BAD = int(os.environ.get("FAULTS_BAD", "30"))
GOOD = int(os.environ.get("FAULTS_GOOD", "3"))
"""Numbers of bad images, and of good ones among them."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return str(save_weights(tmp_path_factory.mktemp("weights")))


@pytest.fixture(autouse=True)
def small_crops_and_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(nifti, "CROP_SHAPE", SMALL)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def pipeline(caps, weights, **arguments):
    parameters = {"model": weights, "device": "cpu", "report": False}
    return T1SynthNce(caps, parameters=parameters, **arguments)


def outcomes(run):
    run.run(plugin="Linear", quiet=True)
    for outcome in run.outcomes:
        assert "\n" not in (outcome.reason or "")
        assert outcome.details is None, outcome.details
        assert (outcome.status != "failed") == run.output_path(outcome.item).is_file()
    return {outcome.item.visit.subject: outcome for outcome in run.outcomes}


def crops(n):
    return {(f"sub-{number:03}", "ses-1"): "ce-gd" for number in range(n)}


def folder(path):
    path.mkdir()


def loop(path):
    path.symlink_to(path.name)


def dangling(path):
    path.symlink_to("nowhere.nii.gz")


def empty(path):
    path.touch()


def text(path):
    path.write_text("no image")


def pipe(path):
    os.mkfifo(path)


KINDS = {
    folder: "a folder",
    loop: "cannot be read (Too many levels of symbolic links)",
    dangling: "no such file",
    empty: "an empty file",
    text: "not a NIfTI file",
    pipe: "cannot be read (a pipe, not a file)",
}


def test_many_bad_images_among_good_ones(tmp_path, weights):
    n = BAD + GOOD
    caps = make_caps(tmp_path / "caps", crops(n), images=False)
    paths = sorted(caps.glob("subjects/*/*/t1_linear/*Crop*"))
    good = {paths[place * (n - 1) // (GOOD - 1)]: place for place in range(GOOD)}
    kinds = list(KINDS)
    for number, path in enumerate(paths):
        path.unlink()
        if path in good:
            write_crop(path, head(good[path], SMALL))
        else:
            kinds[number % len(kinds)](path)
    found = outcomes(pipeline(caps, weights))
    assert len(found) == n
    for number, path in enumerate(paths):
        outcome = found[path.parents[2].name]
        assert outcome.status == ("done" if path in good else "failed")
        if path not in good:
            assert outcome.reason.startswith(f"{path}: {KINDS[kinds[number % len(kinds)]]}")
    assert len(made(caps)) == GOOD
    table = (caps / "t1_synth_nce.tsv").read_text()
    assert (table.count("\tdone\t"), table.count("\tfailed\t")) == (GOOD, BAD)
    assert str(caps) not in table
    assert hidden(caps) == []


@pytest.mark.parametrize("moment", ["before", "while"])
@pytest.mark.parametrize("fault", ["vanishes", "shrinks"])
def test_a_file_that_changes_under_way(tmp_path, weights, monkeypatch, moment, fault):
    caps = make_caps(tmp_path / "caps", crops(2), shape=SMALL)
    path = crop_path(caps, "sub-000", "ses-1", "ce-gd")
    run = pipeline(caps, weights)

    def break_it(*_):
        path.unlink() if fault == "vanishes" else os.truncate(path, 1000)

    if moment == "before":
        break_it()
    else:
        # Read already, not written yet.
        disturb(monkeypatch, break_it)
    found = outcomes(run)
    assert found["sub-001"].status == "done"
    if moment == "before":
        assert found["sub-000"].status == "failed"
        expected = "no such file" if fault == "vanishes" else "truncated"
        assert found["sub-000"].reason.startswith(f"{path}: {expected}")
    else:
        # Made from what was read, and known to be of another file than the one that is there now.
        assert found["sub-000"].status == "done"
        assert run.n_to_do == 0
        if fault == "shrinks":
            assert pipeline(caps, weights).remade == {"source-changed": 1}
    assert hidden(caps) == []


def disturb(monkeypatch, action, only=0):
    """Let something happen before the network sees an image of the batch."""
    seen = []
    original = Synthesizer.__call__

    def call(self, volume, affine=None):
        seen.append(volume)
        if len(seen) - 1 == only:
            action(volume)
        return original(self, volume, affine)

    monkeypatch.setattr(Synthesizer, "__call__", call)


@pytest.mark.parametrize("times", [1, 99])
def test_too_little_memory(tmp_path, weights, monkeypatch, times):
    caps = make_caps(tmp_path / "caps", crops(3), shape=SMALL)
    left = [times]
    original = Synthesizer.__call__

    def call(self, volume, affine=None):
        if volume.sum() == head(1, SMALL).sum() and left[0]:
            left[0] -= 1
            raise MemoryError
        return original(self, volume, affine)

    monkeypatch.setattr(Synthesizer, "__call__", call)
    found = outcomes(pipeline(caps, weights))
    assert [found[f"sub-00{n}"].status for n in (0, 2)] == ["done", "done"]
    if times == 1:
        assert found["sub-001"].status == "done"
    else:
        assert times - left[0] == 2
        assert "most likely for lack of memory" in found["sub-001"].reason
        assert found["sub-001"].reason.startswith(str(crop_path(caps, "sub-001", "ses-1", "ce-gd")))


@pytest.mark.parametrize(
    ("subject", "session"),
    [("sub-1/../..", "ses-1"), ("sub-1", "ses-1/../../../../out"), ("..", ".."), ("sub-", "ses-")],
)
def test_a_table_cannot_lead_out_of_the_caps(tmp_path, weights, subject, session):
    caps = make_caps(tmp_path / "caps", crops(1), images=False)
    # There would be an image to find.
    elsewhere = tmp_path / "caps" / "subjects" / subject / session
    tsv = tmp_path / "visits.tsv"
    tsv.write_text(f"participant_id\tsession_id\n{subject}\t{session}\n")
    write_crop(
        Path(os.path.normpath(elsewhere)) / "t1_linear" / "x_space-y_T1w.nii.gz", head(0, SMALL)
    )
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SelectionError, match=r"row 2 .* is not a visit; write it as sub-<label>"):
        pipeline(caps, weights, tsv_file=tsv)
    assert sorted(tmp_path.rglob("*")) == before


def test_clocks_that_jump(tmp_path, weights):
    caps = make_caps(tmp_path / "caps", crops(2), shape=SMALL)
    first, second = sorted(caps.glob("subjects/*/*/t1_linear/*Crop*"))
    os.utime(first, (0, 0))
    os.utime(second, (2**32, 2**32))
    assert {item.status for item in outcomes(pipeline(caps, weights)).values()} == {"done"}
    for path in [first, second, *made(caps)]:
        # Ten years on, or back again.
        os.utime(path, (time.time() + 3e8,) * 2 if path.stat().st_mtime < 1e9 else (0, 0))
    again = pipeline(caps, weights)
    assert (again.n_to_do, again.remade) == (0, {})


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 30 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = shutil.which("mount") or "mount"
    command = [mount, "-t", "tmpfs", "-o", "size=30m", "none", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_disk_that_fills_up(small_disk, weights, monkeypatch):
    caps = make_caps(small_disk / "caps", crops(2), shape=SMALL)
    run = pipeline(caps, weights)
    ballast = small_disk / "ballast"

    def fill(volume):
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError as error:
                assert error.errno == errno.ENOSPC

    with monkeypatch.context() as patched:
        disturb(patched, fill, only=1)
        with pytest.raises(OutputError, match=r"t1_synth_nce.tsv: cannot be written \(No space"):
            run.run(plugin="Linear", quiet=True)
    assert [item.status for item in run.outcomes] == ["done", "failed"]
    assert "cannot be written (No space left on device)" in run.outcomes[1].reason
    assert len(made(caps)) == 1
    assert hidden(caps) == []

    ballast.unlink()
    assert {item.status for item in outcomes(pipeline(caps, weights)).values()} == {
        "skipped",
        "done",
    }


def refuse(number):
    def fail(*arguments):
        raise OSError(number, os.strerror(number))

    return fail


def test_a_disk_without_locks(tmp_path, weights, monkeypatch):
    monkeypatch.setattr("fcntl.flock", refuse(errno.ENOLCK))
    caps = make_caps(tmp_path / "caps", crops(2), shape=SMALL)
    output = pipeline(caps, weights).output_path(pipeline(caps, weights).to_do[0])
    output.parent.mkdir(parents=True)
    with pytest.raises(KeyError), atomic.temporary(output) as part:
        raise KeyError
    part.write_text("of a process that may be alive")
    for expected in ("done", "skipped"):
        run = pipeline(caps, weights, base_dir=tmp_path / "wd")
        assert {item.status for item in outcomes(run).values()} == {expected}
    assert part.exists()
    assert hidden(caps) == [part]


def test_a_disk_that_cannot_rename_is_refused_before_the_work(tmp_path, weights, monkeypatch):
    caps = make_caps(tmp_path / "caps", crops(1), shape=SMALL)
    before = sorted(caps.rglob("*"))
    monkeypatch.setattr("os.replace", refuse(errno.EPERM))
    with pytest.raises(OutputError, match=r"caps: cannot be written to \(Operation not permitted"):
        pipeline(caps, weights)
    assert sorted(caps.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.skipif(not CLINICA.exists(), reason="no script clinica beside this Python")
def test_a_caps_that_is_read_only(tmp_path, weights):
    caps = make_caps(tmp_path / "caps", crops(1), shape=SMALL)
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    namespace = ["unshare", "--mount", *user, "--", "sh", "-ec"]
    bind = 'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; shift; exec "$@"'
    command = [*namespace, bind, "-", str(caps)]
    try:
        probe = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if probe.returncode != 0:
        pytest.skip(f"nothing can be mounted read-only here: {probe.stderr.strip()}")
    before = sorted(caps.rglob("*"))
    clinica = [str(CLINICA), "run", "t1-synth-nce", str(caps), "--model", weights]
    done = subprocess.run(
        [*command, *clinica, "--device", "cpu"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment(),
    )
    # Clinica's own word.
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(f"Directory '{caps}' is not writable.")
    assert "Traceback" not in done.stdout + done.stderr
    assert sorted(caps.rglob("*")) == before
