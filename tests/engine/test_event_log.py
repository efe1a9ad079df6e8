import pytest
from nipype.interfaces.utility import Function
from nipype.pipeline.engine import Node, Workflow

from clinica_t1nce.engine import event_log
from clinica_t1nce.engine.event_log import Event, watch


def test_what_is_written_can_be_read_at_once(tmp_path):
    events = [
        Event("a", "started"),
        Event("a", "done", seconds=1.5),
        Event("b", "failed", reason="r"),
    ]
    with event_log.Writer(tmp_path / "journal") as log:
        for event in events:
            log.write(event)
            assert list(event_log.read_events(tmp_path / "journal"))[-1] == event
    assert list(event_log.read_events(tmp_path / "journal")) == events
    assert event_log.latest(tmp_path / "journal") == {"a": events[1], "b": events[2]}


def test_each_process_has_its_own_file(tmp_path):
    with event_log.Writer(tmp_path) as one, event_log.Writer(tmp_path) as two:
        one.write(Event("a", "done"))
        two.write(Event("b", "done"))
    assert len(list(tmp_path.iterdir())) == 2
    assert set(event_log.latest(tmp_path)) == {"a", "b"}


def test_half_a_line_waits_for_its_end(tmp_path):
    with event_log.Writer(tmp_path) as log:
        log.write(Event("a", "done"))
    path = next(tmp_path.iterdir())
    path.write_text(path.read_text() + '{"item": "do')
    assert [event.item for event in event_log.read_events(tmp_path)] == ["a"]


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with event_log.Writer(None) as log:
        log.write(Event("a", "done"))
    assert list(tmp_path.iterdir()) == []


def work(number):
    from clinica_t1nce.errors import ImageError

    if number < 0:
        raise ImageError("x.nii.gz: negative")
    return number


def graph(tmp_path, number):
    workflow = Workflow("pair", base_dir=str(tmp_path / "work"))
    workflow.config["execution"] = {"crashdump_dir": str(tmp_path / "crash")}
    first, last = (Node(Function(["number"], ["number"], work), name=n) for n in ("first", "last"))
    first.inputs.number = number
    workflow.connect(first, "number", last, "number")
    watch(workflow, tmp_path / "journal", "sub-01", "last")
    return workflow


def test_a_graph_that_ends_well_is_done_with_its_last_node(tmp_path):
    graph(tmp_path, 1).run(plugin="Linear")
    events = list(event_log.read_events(tmp_path / "journal"))
    assert sorted(event.status for event in events) == ["done", "started", "started"]
    assert event_log.latest(tmp_path / "journal")["sub-01"].status == "done"


def test_a_failure_is_told_in_one_line_without_reading_crash_files(tmp_path):
    with pytest.raises(Exception, match="negative"):
        graph(tmp_path, -1).run(plugin="Linear")
    event = event_log.latest(tmp_path / "journal")["sub-01"]
    assert (event.status, event.reason) == ("failed", "x.nii.gz: negative")
