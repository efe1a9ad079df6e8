import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nipype.interfaces.utility import Function
from nipype.pipeline.engine import Node, Workflow
from nipype.utils.filemanip import loadcrash

from clinica_t1nce.engine.local_plugin import LocalPlugin, memory_gb, share_out


def work(action, file):
    import os
    import time
    from pathlib import Path

    if action == "die":
        os.kill(os.getpid(), 9)
    if action == "raise":
        raise KeyError("oh")
    if action == "sleep":
        time.sleep(0.5)
    Path(file).write_text(f"{os.getpid()} {os.environ['OMP_NUM_THREADS']}")
    return file


def workflow(folder, *actions):
    wf = Workflow("wf", base_dir=str(folder))
    wf.config["execution"] = {
        "crashdump_dir": str(folder / "crash"),
        "poll_sleep_duration": "0.1",
        "stop_on_first_crash": "false",
    }
    for index, action in enumerate(actions):
        node = Node(Function(["action", "file"], ["file"], work), name=f"n{index}")
        node.inputs.action = action
        node.inputs.file = str(folder / f"{index}.txt")
        wf.add_nodes([node])
    return wf


def test_nodes_run_in_processes_of_their_own(tmp_path):
    wf = workflow(tmp_path, "write", "write")
    wf.run(plugin=LocalPlugin({"n_procs": 2, "n_threads": 3}))
    pids, threads = zip(*((tmp_path / f"{i}.txt").read_text().split() for i in (0, 1)), strict=True)
    assert len({*pids, str(os.getpid())}) == 3
    assert threads == ("3", "3")


def test_what_hangs_together_is_finished_before_the_next(tmp_path):
    wf = workflow(tmp_path, *["write"] * 6)
    nodes = [wf.get_node(f"n{number}") for number in range(6)]
    for first, then in ((0, 3), (3, 4), (1, 2), (2, 5)):
        wf.connect(nodes[first], "file", nodes[then], "file")
    plugin = LocalPlugin()
    plugin._generate_dependency_list(wf._graph)
    names = [node.name for node in plugin.procs]
    assert names in (["n0", "n3", "n4", "n1", "n2", "n5"], ["n1", "n2", "n5", "n0", "n3", "n4"])
    for matrix in (plugin.depidx, plugin.refidx):
        assert {(names[i], names[j]) for i, j in zip(*matrix.nonzero(), strict=True)} == {
            ("n0", "n3"),
            ("n3", "n4"),
            ("n1", "n2"),
            ("n2", "n5"),
        }


def test_a_process_that_dies_fails_its_own_node_only(tmp_path):
    plugin = LocalPlugin({"n_procs": 3})
    with pytest.raises(RuntimeError):
        workflow(tmp_path, "die", "sleep", "raise").run(plugin=plugin)
    assert (tmp_path / "1.txt").exists()
    traces = ["".join(loadcrash(str(path))["traceback"]) for path in (tmp_path / "crash").iterdir()]
    assert len(traces) == 2
    assert sum("its process was killed, most likely for lack of memory" in t for t in traces) == 1


def test_errors_keep_their_text(tmp_path):
    with pytest.raises(RuntimeError, match="KeyError: 'oh'"):
        workflow(tmp_path, "raise").run(plugin=LocalPlugin())


def test_no_process_outlives_the_one_that_started_it(tmp_path):
    code = (
        "from pathlib import Path\n"
        "from tests.engine.test_local_plugin import *\n"
        f"wf = workflow(Path({str(tmp_path)!r}), 'sleep')\n"
        "wf.get_node('n0').inputs.action = 'wait'\n"
        "wf.get_node('n0').interface.inputs.function_str = (\n"
        "    'def work(action, file):\\n'\n"
        "    '    import os, time\\n'\n"
        "    '    open(file, \"w\").write(str(os.getpid()))\\n'\n"
        "    '    time.sleep(60)\\n'\n"
        ")\n"
        "wf.run(plugin=LocalPlugin())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    pid_file = tmp_path / "0.txt"
    wait_for(lambda: pid_file.exists() and pid_file.read_text() != "", 60)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not alive(int(pid_file.read_text())), 10)


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("n_images", "n_cores", "per_process", "memory", "expected"),
    [
        (10, 4, 1, 64, (4, 1)),
        (1, 4, 1, 64, (1, 4)),
        (3, 8, 1, 64, (3, 2)),
        (10, 8, 4, 10, (2, 4)),
        (10, 8, 4, 1, (1, 8)),
        (1, 1, 1, 1, (1, 1)),
    ],
)
def test_processes_by_threads_never_exceed_the_cores(
    n_images, n_cores, per_process, memory, expected
):
    found = share_out(n_images, n_cores, per_process, memory)
    assert found == expected
    assert found[0] * found[1] <= n_cores


def test_memory_is_that_of_this_machine_at_most():
    assert 0.1 < memory_gb() < 100_000
