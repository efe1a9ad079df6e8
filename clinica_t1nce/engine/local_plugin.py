"""Run the nodes of a graph side by side on this machine, each in a process of its own."""

import _thread
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from nipype.pipeline.plugins.base import DistributedPluginBase

from clinica_t1nce.files.text import find_json

logger = logging.getLogger("clinica_t1nce")

NODE_FILE = "node.pkl"
RESULT_FILE = "result.json"
LOG_FILE = "log.txt"
GRACE_SECONDS = 5.0
SECONDS_TO_TIDY_UP = 2.0


class LocalPlugin(DistributedPluginBase):
    """Nipype execution plug-in: one fresh process for each node, at most so many at once.

    Nipype's own MultiProc hangs when one of its processes is killed, and lets them go on when it
    is killed itself. Here, a process that dies fails its own node only, and processes end with
    the one that started them. They are started by ``exec``, not ``fork``: PyTorch's threads and
    CUDA do not survive a fork. What they print goes to files in the working directory.

    Parameters
    ----------
    plugin_args
        Arguments: ``n_procs``, processes at a time (1), and ``n_threads``, OpenMP threads of each.
    """

    # Nipype's: nodes, their dependencies, and a copy of these.
    procs: list[Any]
    depidx: Any
    refidx: Any

    def __init__(self, plugin_args: dict[str, Any] | None = None):
        arguments = dict(plugin_args or {})
        arguments["max_jobs"] = arguments.get("n_procs", 1)
        super().__init__(plugin_args=arguments)
        self._n_threads = int(arguments.get("n_threads", 1))
        self._processes: dict[int, tuple[subprocess.Popen[bytes], Path]] = {}
        self._last_id = 0

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run a flat graph; no process outlives this call.

        Parameters
        ----------
        graph
            Flat graph of nodes.
        config
            Nipype's configuration.
        updatehash
            Argument of every plug-in of Nipype.
        """
        try:
            super().run(graph, config, updatehash=updatehash)
        finally:
            for process, _ in self._processes.values():
                _let_go(process)
            for task in list(self._processes):
                self._clear_task(task)

    def _generate_dependency_list(self, graph: Any) -> None:
        """Finish what hangs together before the next is begun.

        Nipype would do the first step of all images, then the second: what has been done would be
        saved in the end only, and lost if that is not reached.
        """
        import networkx as nx

        super()._generate_dependency_list(graph)
        place = {node: number for number, node in enumerate(self.procs)}
        order = [
            number
            for part in nx.weakly_connected_components(graph)
            for number in sorted(place[node] for node in part)
        ]
        self.procs = [self.procs[number] for number in order]
        self.depidx = self.depidx[order][:, order]
        self.refidx = self.refidx[order][:, order]

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        folder = Path(tempfile.mkdtemp(prefix="worker-", dir=node.base_dir))
        (folder / NODE_FILE).write_bytes(pickle.dumps((node, updatehash)))
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": str(self._n_threads),
            "NO_ET": "yes",
            "NIPYPE_NO_ET": "yes",
        }
        with (folder / LOG_FILE).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "clinica_t1nce.engine.local_plugin", str(folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
            )
        self._last_id += 1
        self._processes[self._last_id] = process, folder
        return self._last_id

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        process, folder = self._processes[taskid]
        code = process.poll()
        if code is None:
            return None
        result = find_json(folder / RESULT_FILE)
        if result is not None:
            trace = result["traceback"]
        else:
            death = _explain(code)
            logger.debug("%s; see %s", death, folder / LOG_FILE)
            trace = [f"RuntimeError: {death}; it printed:\n{_tail(folder / LOG_FILE)}"]
        return {"result": None, "traceback": trace, "taskid": taskid}

    def _clear_task(self, taskid: int) -> None:
        process, _ = self._processes.pop(taskid)
        _let_go(process)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _let_go(process: "subprocess.Popen[bytes]") -> None:
    """Tell a process to end: the end of its standard input does."""
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def _explain(code: int) -> str:
    if code == -9:
        return "its process was killed, most likely for lack of memory"
    if code < 0:
        return f"its process was ended by signal {-code}"
    return f"its process ended with exit code {code}"


def _tail(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")[-2000:]
    except OSError:
        return ""


def main(folder: Path) -> None:
    """Run the node pickled in a folder, and leave the result there.

    Parameters
    ----------
    folder
        Made by the plug-in. A traceback, or null, is left in ``result.json``.
    """
    # Ctrl-C reaches the whole group of processes; the one in front decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _exit)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    trace = None
    try:
        node, updatehash = pickle.loads((folder / NODE_FILE).read_bytes())
        node.run(updatehash=updatehash)
    except Exception:
        trace = traceback.format_exc().splitlines(keepends=True)
    part = folder / f"{RESULT_FILE}.part"
    part.write_text(json.dumps({"traceback": trace}), encoding="utf-8")
    part.replace(folder / RESULT_FILE)


def _end_with_parent() -> None:
    """Wait for the end of standard input, which is when the parent ends or lets go of us."""
    # Not `sys.stdin`: its lock, held while waiting, would break the end of the interpreter.
    while os.read(0, 1):
        pass
    _thread.interrupt_main(signal.SIGTERM)
    time.sleep(SECONDS_TO_TIDY_UP)
    os._exit(128 + signal.SIGTERM)


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def share_out(
    n_images: int, n_cores: int, memory_per_process: float, memory: float
) -> tuple[int, int]:
    """Deal cores out to processes: as many processes as images, cores and memory allow.

    Parameters
    ----------
    n_images
        Number of images, at least 1.
    n_cores
        Number of cores, at least 1.
    memory_per_process, memory
        Memory that a process needs, and memory that there is, in GB.

    Returns
    -------
    n_processes, n_threads : int
        Their product is at most `n_cores`.

    Examples
    --------
    >>> share_out(n_images=3, n_cores=8, memory_per_process=2, memory=64)
    (3, 2)
    >>> share_out(n_images=100, n_cores=16, memory_per_process=4, memory=16)
    (4, 4)
    """
    by_memory = int(memory // memory_per_process)
    n_processes = max(1, min(n_images, n_cores, by_memory))
    return n_processes, max(1, n_cores // n_processes)


def memory_gb() -> float:
    """Give the memory that this process may use, in GB: the machine's, or its control group's."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path("/sys/fs/cgroup", limit).read_text(encoding="ascii")))
        except (OSError, ValueError):
            # No such file, or "max".
            continue
    return total / 1e9


if __name__ == "__main__":
    main(Path(sys.argv[1]))
