import pytest
from nipype.interfaces.utility import Function
from nipype.pipeline.engine import Node, Workflow

from clinica_t1nce.engine import event_log
from clinica_t1nce.engine.watched import watch


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
    events = list(event_log.read(tmp_path / "journal"))
    assert sorted(event.status for event in events) == ["done", "started", "started"]
    assert event_log.latest(tmp_path / "journal")["sub-01"].status == "done"


def test_a_failure_is_told_in_one_line_without_reading_crash_files(tmp_path):
    with pytest.raises(Exception, match="negative"):
        graph(tmp_path, -1).run(plugin="Linear")
    event = event_log.latest(tmp_path / "journal")["sub-01"]
    assert (event.status, event.reason) == ("failed", "x.nii.gz: negative")
