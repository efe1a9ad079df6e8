from pathlib import Path

import pytest

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps.query import Crop, SelectedBy
from clinica_t1nce.engine import event_log
from clinica_t1nce.errors import OutputError
from clinica_t1nce.pipelines import resumable
from tests.data.caps import save_weights

CROPS = [
    Crop(
        Visit(f"sub-0{n}", "ses-1"),
        Path(f"/caps/subjects/sub-0{n}/ses-1/x.nii.gz"),
        SelectedBy("tsv"),
    )
    for n in range(4)
]


def settle(folder, events, error=None):
    with event_log.Writer(folder) as log:
        for event in events:
            log.write(event)
    return resumable.settle(CROPS, lambda crop: str(crop.path), folder, error)


@pytest.mark.parametrize("name", ["default", "fast", "change-unet-v7"])
def test_names_of_weights_are_no_paths(name, tmp_path, monkeypatch):
    """Processes work elsewhere: they are given absolute paths, but names as they are."""
    monkeypatch.chdir(tmp_path)
    assert resumable.check_model(name, "cpu").name == name
    save_weights(tmp_path)
    (weights,) = tmp_path.glob("*.safetensors")
    assert resumable.check_model(weights.name, "cpu").name == str(weights)


def test_a_dead_process_leaves_the_image_it_was_at_and_the_rest(tmp_path):
    paths = [str(crop.path) for crop in CROPS]
    outcomes, left, died = settle(
        tmp_path,
        [
            event_log.Event(paths[0], "started"),
            event_log.Event(paths[0], "done", warning="w"),
            event_log.Event(paths[1], "started"),
            event_log.Event(paths[1], "failed", reason="bad", details="trace"),
            event_log.Event(paths[2], "started"),
        ],
        RuntimeError("killed"),
    )
    assert [(item.item, item.status) for item in outcomes] == [
        (CROPS[0], "done"),
        (CROPS[1], "failed"),
    ]
    assert (left, died) == ([CROPS[3]], [CROPS[2]])
    assert outcomes[0].warning == "w"
    assert (outcomes[1].reason, outcomes[1].details) == ("bad", "trace")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RuntimeError("Traceback\n  x\nWeightsError: gone\n"), "WeightsError: gone"), (None, "no pr")],
)
def test_when_no_image_was_come_to_all_have_failed(tmp_path, error, reason):
    outcomes, left, died = settle(tmp_path, [], error)
    assert (left, died) == ([], [])
    assert [item.status for item in outcomes] == ["failed"] * 4
    assert all(reason in item.reason and "\n" not in item.reason for item in outcomes)


def test_what_the_image_itself_excludes_is_told_apart(tmp_path):
    events = [event_log.Event(str(crop.path), "excluded") for crop in CROPS]
    outcomes, left, died = settle(tmp_path, events)
    assert [item.status for item in outcomes] == ["excluded"] * 4
    assert (left, died) == ([], [])


def test_a_failure_counts_more_than_what_another_process_begins_later(tmp_path):
    source = str(CROPS[0].path)
    for event in (
        event_log.Event(source, "failed", reason="bad"),
        event_log.Event(source, "started"),
    ):
        with event_log.Writer(tmp_path) as log:
            log.write(event)
    assert resumable.event_log.latest(tmp_path)[source].reason == "bad"


def test_a_working_directory_is_one_runs_at_a_time(tmp_path):
    wd = tmp_path / "new" / "wd"
    own_folder = resumable.own_folder
    with own_folder(wd) as first, own_folder(wd) as second, own_folder(wd) as third:
        assert first == wd
        assert {second.parent, third.parent} == {wd}
        assert second != third
    with own_folder(wd) as later:
        assert later == wd


def test_a_working_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match=r"file/wd: cannot be written to .*; give another"),
        resumable.own_folder(tmp_path / "file" / "wd"),
    ):
        pass


def test_a_passing_folder_goes_whatever_happens(tmp_path):
    with pytest.raises(KeyboardInterrupt), resumable.passing_folder(tmp_path / "x") as folder:
        (folder / "deep").mkdir()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="cannot be made"), resumable.passing_folder(tmp_path):
        pass
