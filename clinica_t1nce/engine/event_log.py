"""What happens in other processes, told through files: one JSON line an event.

A journal is a folder in which each process writes its own file, so that it works on the shared
disks of clusters, where processes that append to one file lose lines.
"""

import json
import os
import socket
import time
import traceback
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, get_args

from clinica_t1nce.errors import T1nceError, reason
from clinica_t1nce.files.text import parse_json

Kind = Literal["started", "excluded", "done", "failed"]
"""What may happen to an image, in the order in which a later one overrides an earlier one."""

STARTED, EXCLUDED, DONE, FAILED = KINDS = get_args(Kind)


@dataclass(frozen=True)
class Event:
    """Something that happened to an image.

    Attributes
    ----------
    kind
        Kind of the event; ``"excluded"``: the image itself told that it is not asked for.
    source
        Path of the image, or another name that no other source has.
    seconds
        Time that it took, if done.
    reason
        Reason why it failed, in one line.
    warning
        Something to know about it although it was done.
    details
        Traceback of an error that nobody expected.
    """

    kind: Kind
    source: str
    seconds: float | None = None
    reason: str | None = None
    warning: str | None = None
    details: str | None = None


def failure(source: object, error: BaseException) -> Event:
    """Tell a failure: in one line, with the traceback of what nobody expected."""
    details = None
    if not isinstance(error, T1nceError):
        details = "".join(traceback.format_exception(error))
    return Event(FAILED, str(source), reason=reason(error), details=details)


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
        trace: TracebackType | None,
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
        Folder of the journal.

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
    """Give the event of each source that says what became of it.

    Several processes may tell of one source: what ends it counts more than that it was begun.

    Parameters
    ----------
    folder
        Folder of the journal.

    Returns
    -------
    dict
        Event by source.
    """
    found: dict[str, Event] = {}
    for event in read(folder):
        before = found.get(event.source)
        if before is None or KINDS.index(before.kind) <= KINDS.index(event.kind):
            found[event.source] = event
    return found
