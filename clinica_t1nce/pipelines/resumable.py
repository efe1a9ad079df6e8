"""What all pipelines share: a model, what is to do, rounds of a graph, and what became of it."""

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from filelock import FileLock
from networkx import DiGraph
from nipype.pipeline.engine import Workflow

from clinica_t1nce.engine import event_log
from clinica_t1nce.engine.event_log import FAILED, Event, Item
from clinica_t1nce.engine.local_plugin import LocalPlugin, memory_gb, share_out
from clinica_t1nce.engine.progress import follow
from clinica_t1nce.errors import OutputError, one_line
from clinica_t1nce.models.cards import Card
from clinica_t1nce.translation.options import Device

LOCAL_PLUGINS = ("Local", "Linear", "MultiProc", "LegacyMultiProc", "Debug")
"""Nipype plug-ins that stay on this machine; ``Local`` is ours."""

IMAGES_PER_JOB = 20
"""At most so many images in one job of a cluster: a quarter of an hour on few cores."""

LOCK = ".t1-synth-nce.lock"
"""In a working directory: held by the run that works there."""

MEMORY_GB = 6.0
"""What a process is taken to need if the model's card does not say (``inference.memory_gb``):
that of the paper's network."""


@dataclass(frozen=True)
class Model:
    """Weights that can be loaded, by any process.

    Attributes
    ----------
    name
        Name of shipped weights, or absolute path of a file: processes run in folders of their own.
    card
        Card of the weights.
    device
        Device that is there: ``"cpu"`` or ``"cuda"``.
    """

    name: str
    card: Card
    device: Device

    @property
    def memory_gb(self) -> float:
        """What a process needs."""
        return float(self.card.inference.memory_gb or MEMORY_GB)


def check_model(model: str, device: Device) -> Model:
    """Load weights and find the device, to know before any work that both can be used.

    Parameters
    ----------
    model
        Name or file of weights, such as ``"default"``.
    device
        Device that is asked for: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    WeightsError, DeviceError
        If they cannot.
    """
    from clinica_t1nce.models.storage import SHORT_NAMES, load_generator, shipped
    from clinica_t1nce.synthesis.synthesizer import find_device

    found = find_device(device)
    _, card = load_generator(model)
    is_name = model in SHORT_NAMES or model in shipped()
    name = model if is_name else str(Path(model).absolute())
    return Model(name, card, "cuda" if found.type == "cuda" else "cpu")


@dataclass(frozen=True)
class Round:
    """How the graph of one round is to be built.

    Attributes
    ----------
    journal
        Folder in which the processes tell what they do.
    n_batches
        Nodes that share the items.
    n_threads
        Threads of each; None for all cores.
    """

    journal: Path
    n_batches: int = 1
    n_threads: int | None = None


class ResumablePipeline(ABC, Generic[Item]):
    """Work on items side by side; a process that dies costs the item it was at, and no other.

    Attributes
    ----------
    to_do : list
        Items that are not done yet.
    outcomes : list of clinica_t1nce.engine.event_log.Event
        Last event of each item that was worked on.
    device : str
        ``"cpu"``, or ``"cuda"`` where one process has to do.
    """

    to_do: list[Item]
    outcomes: list[Event[Item]]
    device: Device = "cpu"
    nodes_per_item = 1

    @abstractmethod
    def source_of(self, item: Item) -> str:
        """Give the name of an item in the journal."""

    @abstractmethod
    def label_of(self, item: Item) -> str:
        """Give the name of an item for people."""

    @abstractmethod
    def build_round(self, items: Sequence[Item], how: Round) -> Workflow:
        """Build the graph that works on items."""

    @property
    @abstractmethod
    def memory_per_process(self) -> float:
        """Memory that a process needs, in GB."""

    @property
    def n_to_do(self) -> int:
        """Number of items that are not done yet."""
        return len(self.to_do)

    def plan(self, n_cores: int) -> tuple[int, int]:
        """Say how many processes, and threads of each, a run on this machine takes."""
        if self.device == "cuda":
            return 1, n_cores
        n_nodes = max(1, self.nodes_per_item * self.n_to_do)
        return share_out(n_nodes, n_cores, self.memory_per_process, 0.9 * memory_gb())

    def work(
        self,
        folder: Path,
        plugin: Any = None,
        plugin_args: dict[str, Any] | None = None,
        *,
        update_hash: bool = False,
        quiet: bool = False,
    ) -> Any:
        """Work on all that is to do; failures are collected in `outcomes`, none is raised.

        Parameters
        ----------
        folder
            Working directory.
        plugin
            Nipype execution plug-in; None for processes on this machine.
        plugin_args
            Arguments of the plug-in; ``n_procs`` is the number of cores (1), or, on a cluster,
            the least number of jobs.
        update_hash
            Argument of every Nipype workflow's ``run``.
        quiet
            Whether no progress is shown.

        Returns
        -------
        networkx.DiGraph
            Graph of the last round; empty if there was nothing to do.
        """
        graph: Any = DiGraph()
        died: list[Item] = []
        for alone in (False, True):
            while self.to_do:
                try:
                    graph, dead = self._work_once(
                        folder, plugin, dict(plugin_args or {}), update_hash, quiet, alone
                    )
                except BaseException:
                    self.to_do += died
                    raise
                died += dead
            if not alone:
                # With all the memory to itself, an item may be done.
                self.to_do, died = died, []
        self.outcomes += [Event(item, FAILED, _killed(self.source_of(item))) for item in died]
        return graph

    def _work_once(
        self,
        folder: Path,
        plugin: Any,
        arguments: dict[str, Any],
        update_hash: bool,
        quiet: bool,
        alone: bool,
    ) -> tuple[Any, list[Item]]:
        """Work on what is to do; give the graph, and the items at which a process died.

        What a dead process never came to is left for another; `alone`: one process at a time.
        """
        n_cores = int(arguments.get("n_procs", 1))
        n_threads: int | None
        if plugin in (None, *LOCAL_PLUGINS) or not isinstance(plugin, str):
            n_batches, n_threads = self.plan(n_cores)
        else:
            n_batches, n_threads = max(n_cores, -(-self.n_to_do // IMAGES_PER_JOB)), None
        if alone:
            n_batches, n_threads = 1, None if n_threads is None else n_cores
        if plugin in (None, "Local"):
            plugin = LocalPlugin({**arguments, "n_procs": n_batches, "n_threads": n_threads})
        journal = Path(tempfile.mkdtemp(prefix="journal-", dir=folder))
        how = Round(journal, min(n_batches, self.n_to_do), n_threads)
        workflow = self.build_round(self.to_do, how)
        workflow.base_dir = str(folder)
        workflow.config["execution"] = {
            **workflow.config.get("execution", {}),
            "crashdump_dir": str(folder / "crash"),
            "stop_on_first_crash": "false",
            "poll_sleep_duration": "0.2",
            "create_report": "false",
        }
        labels = {self.source_of(item): self.label_of(item) for item in self.to_do}
        graph, error = DiGraph(), None
        with follow(journal, labels, quiet=quiet):
            try:
                graph = Workflow.run(workflow, plugin, arguments, update_hash)
            except Exception as raised:
                error = raised
            except BaseException:
                # Interrupted: what is left is to be known all the same.
                _, left, dead = settle(self.to_do, self.source_of, journal, None)
                self.to_do = left + dead
                raise
        outcomes, self.to_do, dead = settle(self.to_do, self.source_of, journal, error)
        self.outcomes += outcomes
        return graph, dead


def settle(
    items: Sequence[Item],
    source_of: Callable[[Item], str],
    journal: Path,
    error: Exception | None,
) -> tuple[list[Event[Item]], list[Item], list[Item]]:
    """Turn the journal of a round into outcomes.

    Parameters
    ----------
    items
        Items of the round.
    source_of
        Function that gives the name of an item in the journal.
    journal
        Folder of the journal.
    error
        Error that the execution plug-in raised, if any.

    Returns
    -------
    outcomes : list of clinica_t1nce.engine.event_log.Event
    left : list
        Items that a process died too early to come to. If no item at all was come to, they have
        failed instead: another round would not do better.
    died : list
        Items that a process was at when it died.
    """
    events = event_log.latest(journal)
    outcomes: list[Event[Item]] = []
    left: list[Item] = []
    died: list[Item] = []
    for item in items:
        source = source_of(item)
        event = events.get(source)
        if event is None:
            left.append(item)
        elif event.status == "started":
            died.append(item)
        else:
            outcomes.append(Event(**{**vars(event), "item": item}))
    if left and not outcomes and not died:
        reason = "no process came to it" if error is None else one_line(str(error))
        details = None if error is None else str(error)
        failed = (
            Event(item, FAILED, f"{source_of(item)}: {reason}", None, details) for item in left
        )
        return list(failed), [], []
    return outcomes, left, died


def _killed(source: str) -> str:
    return (
        f"{source}: the process that worked on it was killed twice, most likely for lack of "
        "memory; run it where there is more"
    )


@contextmanager
def own_folder(working_directory: Path) -> Iterator[Path]:
    """Give a working directory, or, while another run works in it, a new folder in it.

    Two graphs of Nipype in one folder remove each other's files. A run that was killed holds
    nothing.

    Parameters
    ----------
    working_directory
        Made if needed.

    Raises
    ------
    OutputError
        If it cannot be written to.
    """
    lock = FileLock(working_directory / LOCK)
    try:
        working_directory.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except (OSError, NotImplementedError):
            # Taken (filelock's Timeout is an OSError), or a file system without locks.
            folder = Path(tempfile.mkdtemp(prefix="run-", dir=working_directory))
        else:
            folder = working_directory
    except OSError as error:
        raise OutputError(
            f"{working_directory}: cannot be written to ({error.strerror or error}); "
            "give another folder with -wd"
        ) from error
    try:
        yield folder
    finally:
        lock.release()


@contextmanager
def passing_folder(path: Path) -> Iterator[Path]:
    """Make a folder that only this run may read, and remove it in the end, whatever ends it.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    try:
        path.mkdir(mode=0o700)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be made ({error.strerror or error}); give a folder with -wd"
        ) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
