"""Work dealt out side by side: lists to nodes, cores and memory to processes."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nipype.interfaces.utility import IdentityInterface, Merge
from nipype.pipeline.engine import Node, Workflow


def batches_wf(
    name: str,
    make: Callable[..., Any],
    settings: Mapping[str, Any],
    *,
    dealt: Sequence[str],
    outputs: Sequence[str],
    n_batches: int,
    n_threads: int | None,
    memory_gb: float,
    for_all: Sequence[str] = (),
) -> Workflow:
    """Build a graph whose input node deals lists out to equal nodes, and merges what they give.

    Parameters
    ----------
    name
        Name of the workflow.
    make
        Class of the interface, which has an input `n_threads`.
    settings
        Inputs that are the same in all batches; None: not given.
    dealt
        Names of inputs that are lists, of which each batch gets a share.
    outputs
        Names of outputs that are lists.
    n_batches
        Number of nodes.
    n_threads
        Threads of PyTorch in each; None for all cores.
    memory_gb
        Memory that one needs, for plug-ins that heed it.
    for_all
        Names among `dealt` of which a single item is for everyone.

    Returns
    -------
    Workflow
        With the nodes ``inputnode``, ``batch_*``, ``merge_*`` and ``outputnode``.
    """
    workflow = Workflow(name=name)
    inputnode = Node(IdentityInterface(list(dealt), mandatory_inputs=False), name="inputnode")
    outputnode = Node(IdentityInterface(list(outputs)), name="outputnode")
    given = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in {**settings, "n_threads": n_threads}.items()
        if value is not None
    }
    merges = {
        field: Node(Merge(n_batches), name=f"merge_{field}", run_without_submitting=True)
        for field in outputs
    }
    # Of a node that needs a GPU, Nipype's MultiProc takes it for the number of GPUs.
    n_procs = 1 if settings.get("use_gpu") else n_threads or 1
    for index in range(n_batches):
        batch = Node(make(**given), name=f"batch_{index}", n_procs=n_procs, mem_gb=memory_gb)
        for field in dealt:
            share = (field, deal, index, n_batches, field in for_all)
            workflow.connect(inputnode, share, batch, field)
        for field, merge in merges.items():
            workflow.connect(batch, field, merge, f"in{index + 1}")
    for field, merge in merges.items():
        workflow.connect(merge, "out", outputnode, field)
    return workflow


def deal(items, index, n_batches, for_all=False):  # type: ignore[no-untyped-def]
    """Give one batch its share of a list; kept in order, sizes as equal as they can be.

    With `for_all`, a single item is everyone's. Nipype runs this from its source text: it stands
    alone.

    Parameters
    ----------
    items
        List, one item, or Nipype's Undefined.
    index, n_batches
        Place of the batch, and number of batches.
    for_all
        Whether a single item is for every batch.

    Returns
    -------
    list
        The share; Undefined of Undefined.

    Raises
    ------
    ValueError
        If there are fewer items than batches.
    """
    from nipype.interfaces.base import Undefined, isdefined

    if not isdefined(items):
        return Undefined
    items = [items] if isinstance(items, str) else list(items)
    if for_all and len(items) == 1:
        return items
    if len(items) < n_batches:
        raise ValueError(f"{len(items)} images for {n_batches} batches; build fewer batches")
    start, end = (len(items) * i // n_batches for i in (index, index + 1))
    return items[start:end]


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
