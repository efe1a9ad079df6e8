from clinica_t1nce.engine import event_log
from clinica_t1nce.engine.event_log import Event


def test_what_is_written_can_be_read_at_once(tmp_path):
    events = [
        Event("a", "started"),
        Event("a", "done", seconds=1.5),
        Event("b", "failed", reason="r"),
    ]
    with event_log.Writer(tmp_path / "journal") as log:
        for event in events:
            log.write(event)
            assert list(event_log.read(tmp_path / "journal"))[-1] == event
    assert list(event_log.read(tmp_path / "journal")) == events
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
    assert [event.item for event in event_log.read(tmp_path)] == ["a"]


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with event_log.Writer(None) as log:
        log.write(Event("a", "done"))
    assert list(tmp_path.iterdir()) == []
