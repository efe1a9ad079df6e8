import pytest

from clinica_t1nce.files import atomic


def test_is_renamed_at_the_end(tmp_path):
    path = tmp_path / "new" / "sub-01_T1w.nii.gz"
    with atomic.temporary(path) as part:
        part.write_text("whole")
        assert part.parent == path.parent
        assert not path.exists()
        assert list(path.parent.glob("*T1w.nii*")) == []
        assert list(path.parent.glob("sub-*")) == []
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_is_removed_after_an_error(tmp_path, error):
    with pytest.raises(error), atomic.temporary(tmp_path / "a.json") as part:
        part.write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path):
    for name in ("a.json", "b.json"):
        with atomic.temporary(tmp_path / name) as part:
            part.write_text("half")
            left = part.with_name(part.name.replace("-", "-0"))
        left.write_text("half")
    other = left
    with atomic.temporary(tmp_path / "a.json") as part:
        part.write_text("whole")
    kept = [other, tmp_path / "a.json", tmp_path / "b.json"]
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_what_another_process_writes_stays(tmp_path):
    path = tmp_path / "a.json"
    with atomic.temporary(path) as slow:
        slow.write_text("slow")
        with atomic.temporary(path) as fast:
            fast.write_text("fast")
        assert path.read_text() == "fast"
    assert path.read_text() == "slow"


def test_a_part_that_is_taken_for_a_left_over_is_made_anew(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    lock, seen = fcntl.flock, []

    def taken(descriptor, how):
        if not seen:
            (first,) = tmp_path.iterdir()
            first.unlink()
            seen.append(first)
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", taken)
    with atomic.temporary(tmp_path / "a.json") as part:
        assert part not in seen
        part.write_text("whole")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.json"]


def test_without_locks(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(descriptor, how):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with atomic.temporary(tmp_path / "a.json") as part:
        part.write_text("whole")
    assert (tmp_path / "a.json").read_text() == "whole"
