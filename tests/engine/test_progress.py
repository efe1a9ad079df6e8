import io
import time

import pytest
from rich.console import Console

from clinica_t1nce.engine import event_log, progress

LABELS = {"/a": "sub-a ses-1", "/b": "sub-b ses-1", "/c": "sub-c ses-1"}


@pytest.fixture
def screen(monkeypatch):
    def make(*, terminal):
        text = io.StringIO()
        console = Console(file=text, force_terminal=terminal, width=100, highlight=False)
        monkeypatch.setattr(progress, "Console", lambda **kwargs: console)
        return text

    return make


def play(folder, **options):
    with progress.follow(folder, LABELS, **options), event_log.Writer(folder) as log:
        log.write(event_log.Event("/a", "started"))
        log.write(event_log.Event("/a", "done", seconds=2.0))
        log.write(event_log.Event("/b", "failed", reason="r"))
        log.write(event_log.Event("/someone else's", "done"))
        log.write(event_log.Event("/c", "started"))


def test_lines_where_there_is_no_terminal(tmp_path, screen):
    text = screen(terminal=False)
    play(tmp_path)
    first, second = text.getvalue().splitlines()
    assert first.startswith("[1/3] sub-a ses-1: done in 2.0 s, about ")
    assert second.startswith("[2/3] sub-b ses-1: failed, about ")
    assert first.endswith(" left")


def test_a_bar_on_a_terminal(tmp_path, screen):
    text = screen(terminal=True)
    play(tmp_path)
    assert "2/3" in text.getvalue()
    assert "left" in text.getvalue()


def test_quiet(tmp_path, screen):
    text = screen(terminal=False)
    play(tmp_path, quiet=True)
    assert text.getvalue() == ""


def test_an_error_in_the_block_comes_out(tmp_path, screen):
    screen(terminal=False)
    with pytest.raises(KeyError), progress.follow(tmp_path, LABELS):
        raise KeyError


def test_the_longer_a_look_takes_the_rarer_it_is(tmp_path, screen, monkeypatch):
    began, ended = [time.monotonic()], [time.monotonic()]

    def look(folder):
        began.append(time.monotonic())
        time.sleep(0.03)
        ended.append(time.monotonic())
        return {}

    monkeypatch.setattr(progress, "latest", look)
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.01)
    screen(terminal=False)
    with progress.follow(tmp_path, LABELS):
        while len(ended) < 3:
            time.sleep(0.01)
    assert began[1] - ended[0] >= 0.01
    assert began[2] - ended[1] >= 20 * 0.03
