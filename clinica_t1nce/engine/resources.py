"""How many processes and threads a run may have."""

import os
from pathlib import Path


def share_out(
    n_images: int, n_cores: int, memory_per_process: float, memory: float
) -> tuple[int, int]:
    """Deal cores out to processes: as many processes as images, cores and memory allow.

    Parameters
    ----------
    n_images
        At least 1.
    n_cores
        At least 1.
    memory_per_process, memory
        In GB.

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
