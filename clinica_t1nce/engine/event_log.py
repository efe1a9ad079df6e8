"""What happens in other processes, told through files: one JSON line an event.

A journal is a folder in which each process writes its own file, so that it works on the shared
disks of clusters, where processes that append to one file lose lines.
"""

import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from clinica_t1nce.files.text import parse_json

STARTED, DONE, FAILED = "started", "done", "failed"


@dataclass(frozen=True)
class Event:
    """Something that happened to an image.

    Attributes
    ----------
    kind
        :data:`STARTED`, :data:`DONE` or :data:`FAILED`.
    source
        The T1ce.
    seconds
        How long it took, if done.
    reason
        Why it failed, in one line.
    warning
        What is to be known about it although it was done.
    details
        The traceback of an error that nobody expected.
    """

    kind: str
    source: str
    seconds: float | None = None
    reason: str | None = None
    warning: str | None = None
    details: str | None = None


class Writer:
    """One process's file in a journal; with no folder, nothing is written.

    Parameters
    ----------
    folder
        The journal; made if needed.
    """

    def __init__(self, folder: Path | None):
        self._file = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
            # Closed by `__exit__`.
            self._file = (folder / name).open("a", encoding="utf-8")

    def __enter__(self) -> "Writer":
        """Give the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def write(self, event: Event) -> None:
        """Add an event; it can be read at once.

        Parameters
        ----------
        event
            What has happened.
        """
        if self._file is not None:
            content = {key: value for key, value in asdict(event).items() if value is not None}
            self._file.write(json.dumps({"time": time.time(), **content}) + "\n")
            self._file.flush()


def read(folder: Path) -> Iterator[Event]:
    """Yield the events of a journal, each process's in its own order.

    A last line that is not whole yet is left for the next reading.

    Parameters
    ----------
    folder
        Of the journal.

    Yields
    ------
    Event
    """
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                content = parse_json(line)
                del content["time"]
                yield Event(**content)


def latest(folder: Path) -> dict[str, Event]:
    """Give the last event of each source.

    Parameters
    ----------
    folder
        Of the journal.

    Returns
    -------
    dict
        Event by source.
    """
    return {event.source: event for event in read(folder)}
