"""Show what other processes do, with the time left: a bar on a terminal, else plain lines."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from clinica_t1nce.engine.event_log import STARTED, Event, latest

POLL_SECONDS = 0.5
PAUSE_PER_LOOK = 20.0
"""Seconds between two looks at a journal for each that the last one took: 5 % of a core."""


@contextmanager
def follow(folder: Path, labels: Mapping[str, str], *, quiet: bool = False) -> Iterator[None]:
    """Show the progress of a journal while the block runs.

    Parameters
    ----------
    folder
        The journal.
    labels
        Name of each source for people; sources that are not here are not shown.
    quiet
        Whether nothing is shown.
    """
    if quiet:
        yield
        return
    console = Console(stderr=True, highlight=False)
    display: _Display = (
        _Bar(console, len(labels)) if console.is_terminal else _Lines(console, labels)
    )
    follower = _Follower(folder, labels, display)
    follower.start()
    try:
        yield
    finally:
        follower.stop()
        display.close()


class _Follower(threading.Thread):
    """Reads a journal again and again, and shows what is new."""

    def __init__(self, folder: Path, labels: Mapping[str, str], display: "_Display"):
        super().__init__(daemon=True)
        self._folder = folder
        self._labels = labels
        self._display = display
        self._seen: set[str] = set()
        self._start = time.monotonic()
        self._ended = threading.Event()

    def run(self) -> None:
        pause = POLL_SECONDS
        while not self._ended.wait(pause):
            begun = time.monotonic()
            self._look()
            # The journal of 10,000 images takes 0.15 s to read.
            pause = max(POLL_SECONDS, PAUSE_PER_LOOK * (time.monotonic() - begun))

    def stop(self) -> None:
        self._ended.set()
        self.join()
        self._look()

    def _look(self) -> None:
        try:
            events = latest(self._folder)
        except OSError:
            # A shared disk may be away for a moment; the display is not worth the run.
            return
        for source, event in events.items():
            new = source in self._labels and source not in self._seen
            if not new or event.status == STARTED:
                continue
            self._seen.add(source)
            left = len(self._labels) - len(self._seen)
            rate = (time.monotonic() - self._start) / len(self._seen)
            self._display.update(event, len(self._seen), rate * left if left else None)


class _Lines:
    def __init__(self, console: Console, labels: Mapping[str, str]):
        self._console = console
        self._labels = labels

    def update(self, event: Event[str], finished: int, time_left: float | None) -> None:
        took = "" if event.seconds is None else f" in {event.seconds:.1f} s"
        left = "" if time_left is None else f", about {duration(time_left)} left"
        label = self._labels[event.item]
        self._console.out(f"[{finished}/{len(self._labels)}] {label}: {event.status}{took}{left}")

    def close(self) -> None:
        pass


class _Bar:
    def __init__(self, console: Console, total: int):
        self._progress = Progress(
            TextColumn("T1ce to T1nce"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self._task = self._progress.add_task("", total=total, left="")
        self._progress.start()

    def update(self, event: Event[str], finished: int, time_left: float | None) -> None:
        left = "" if time_left is None else f"about {duration(time_left)} left"
        self._progress.update(self._task, completed=finished, left=left)

    def close(self) -> None:
        self._progress.stop()


_Display = _Lines | _Bar


def duration(seconds: float) -> str:
    """Write a time for people.

    Examples
    --------
    >>> duration(8.2), duration(100), duration(8000)
    ('8 s', '2 min', '2 h 13 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
