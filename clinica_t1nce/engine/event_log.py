"""What happens in other processes, read from files: one JSON line an event.

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
from typing import Any, Generic, Literal, TypeVar, get_args

from nipype.pipeline.engine import Node, Workflow

from clinica_t1nce.errors import T1nceError, one_line, reason
from clinica_t1nce.files.text import parse_json

Item = TypeVar("Item")

Status = Literal["started", "excluded", "skipped", "done", "failed"]
"""What may happen to an item, in the order in which a later one overrides an earlier one."""

STARTED, EXCLUDED, SKIPPED, DONE, FAILED = STATUSES = get_args(Status)


@dataclass(frozen=True)
class Event(Generic[Item]):
    """Something that happened to what was asked for, such as an image or a pair.

    Attributes
    ----------
    item
        Thing that was asked for; in a journal its path, or another name that no other item has.
    status
        State of the item: ``"started"``, ``"excluded"`` (the image itself shows that it is not
        asked for), ``"skipped"`` (it was there already), ``"done"`` or ``"failed"``.
    reason
        Reason why it failed, in one line.
    warning
        Something to know about it although it was done.
    details
        Traceback of an error that nobody expected.
    seconds
        Time that it took, if done.
    """

    item: Item
    status: Status
    reason: str | None = None
    warning: str | None = None
    details: str | None = None
    seconds: float | None = None


def failure(item: object, error: BaseException) -> Event[str]:
    """Tell a failure: in one line, with the traceback of what nobody expected."""
    details = None
    if not isinstance(error, T1nceError):
        details = "".join(traceback.format_exception(error))
    return Event(str(item), FAILED, reason(error), details=details)


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

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def write(self, event: Event[str]) -> None:
        """Add an event; it can be read at once.

        Parameters
        ----------
        event
            Event that has happened.
        """
        if self._file is not None:
            content = {key: value for key, value in asdict(event).items() if value is not None}
            self._file.write(json.dumps({"time": time.time(), **content}) + "\n")
            self._file.flush()


def read_events(folder: Path) -> Iterator[Event[str]]:
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


def latest(folder: Path) -> dict[str, Event[str]]:
    """Give the event of each item that says what became of it.

    Several processes may tell of one item: what ends it counts more than that it was begun.

    Parameters
    ----------
    folder
        Folder of the journal.

    Returns
    -------
    dict
        Event by item.
    """
    found: dict[str, Event[str]] = {}
    for event in read_events(folder):
        before = found.get(event.item)
        if before is None or STATUSES.index(before.status) <= STATUSES.index(event.status):
            found[event.item] = event
    return found


class WatchedNode(Node):
    """A node of a graph whose failure is known before Nipype says so, and by its source.

    Attributes
    ----------
    journal
        Folder of the journal.
    source
        Name of the item that the graph works on.
    last
        Whether the work is done with this node.
    """

    journal: Path
    source: str
    last: bool

    def run(self, updatehash: bool = False) -> Any:
        """Run the node, and tell."""
        with Writer(self.journal) as log:
            log.write(Event(self.source, STARTED))
            try:
                result = super().run(updatehash)
            except Exception as error:
                # Nipype's own error, with the text of the traceback that it was made of.
                log.write(Event(self.source, FAILED, one_line(str(error))))
                raise
            if self.last:
                log.write(Event(self.source, DONE))
            return result


def watch(workflow: Workflow, journal: Path, source: str, last: str) -> None:
    """Make all nodes of a graph tell a journal of what they work on.

    Parameters
    ----------
    workflow
        Graph without sub-graphs.
    journal
        Folder of the journal.
    source
        Name of the item that the graph works on.
    last
        Name of the node with which the work is done.
    """
    for name in workflow.list_node_names():
        node = workflow.get_node(name)
        if type(node) is Node:
            # Graphs are built by functions that know no journal.
            node.__class__ = WatchedNode
            node.journal, node.source, node.last = journal, source, name == last
