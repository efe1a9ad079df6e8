"""Cost of the start-up hook per Python start; the bound is 2 ms.

    python benchmarks/startup.py [STARTS]

Starts the Python of a fresh virtual environment with the start-up file, without it, and without it
again, in random order. The difference between the two without is what this machine cannot resolve:
a cost below it says nothing. Processor time is what to read; on a busy machine the time on the
clock differs by milliseconds between equal starts. Needs a POSIX system.
"""

import argparse
import random
import resource
import runpy
import statistics
import subprocess
import tempfile
import time
import venv
from pathlib import Path

ARMS = ("without the hook", "without it again", "with the hook")


def start(python: Path) -> tuple[float, float]:
    """Milliseconds of processor time and on the clock."""
    used, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([python, "-c", ""], check=True)
    elapsed, now = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime), 1000 * elapsed


def report(title: str, times: dict[str, list[float]]) -> None:
    print(title)
    plain, again, hook = (
        (min(times[arm]), statistics.quantiles(times[arm], n=10)[0], statistics.median(times[arm]))
        for arm in ARMS
    )
    rows = dict(zip(ARMS, (plain, again, hook), strict=True))
    rows["cost of the hook"] = tuple(h - p for h, p in zip(hook, plain, strict=True))
    rows["not resolved"] = tuple(abs(a - p) for a, p in zip(again, plain, strict=True))
    for name, (least, tenth, median) in rows.items():
        print(f"  {name:18} least {least:7.2f}  10 % {tenth:7.2f}  median {median:7.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("starts", type=int, nargs="?", default=200)
    starts = parser.parse_args().starts
    setup = runpy.run_path(str(Path(__file__).parents[1] / "setup.py"))
    processor = {arm: [] for arm in ARMS}
    clock = {arm: [] for arm in ARMS}
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=False, symlinks=True)
        python = Path(folder) / "bin" / "python"
        site = subprocess.check_output(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        )
        startup_file = Path(site.strip()) / setup["STARTUP_FILE"]
        for _ in range(starts):
            for arm in random.sample(ARMS, len(ARMS)):
                startup_file.unlink(missing_ok=True)
                if arm == "with the hook":
                    startup_file.write_text(setup["startup_line"]())
                used, elapsed = start(python)
                processor[arm].append(used)
                clock[arm].append(elapsed)
    report("Processor time of a Python start", processor)
    report("Time on the clock", clock)


if __name__ == "__main__":
    main()
