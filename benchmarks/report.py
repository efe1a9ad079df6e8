"""What reports cost: a page an image, and the index of thousands.

    python benchmarks/report.py CAPS

CAPS is one that `clinica run t1-synth-nce` has worked on. Writes to a temporary folder, on one
thread; prints Markdown. Processor time is what to read on a busy machine.
"""

import argparse
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import names
from clinica_t1nce.report import PageEntry, write_group_report
from clinica_t1nce.report.synthetic_pages import Shown, write_page

ENTRIES = (1_000, 10_000)


def timed(function: Callable[[], Any]) -> tuple[Any, float, float]:
    """Give a result, and seconds of processor time and on the clock."""
    used, clock = time.process_time(), time.perf_counter()
    result = function()
    return result, time.process_time() - used, time.perf_counter() - clock


def entries(number: int) -> list[PageEntry]:
    """Make an index such as an evaluation's: four measures, some flags."""
    return [
        PageEntry(
            f"sub-{i:05} ses-M000",
            f"pages/sub-{i:05}_ses-M000_space-MNI152NLin2009cSym_desc-SynthNce_res-1x1x1_T1w_model-m.html",
            (i * 7919) % number / number,
            {
                "MAE": 1 + i % 97 / 10,
                "PSNR": 20 + i % 89 / 10,
                "SSIM": i % 83 / 83,
                "quality": "low",
            },
            ["motion"] if i % 10 == 0 else [],
            visit=Visit(f"sub-{i:05}", "ses-M000"),
            has_thumbnail=True,
        )
        for i in range(number)
    ]


def opening(page: Path) -> float | None:
    """Time headless Chromium on a page, beyond what it takes for an empty one; None without it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return None
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]

    def show(address: str) -> float:
        # The quickest of five: what else the machine does only adds to it.
        return min(
            timed(lambda: subprocess.run([*command, address], capture_output=True, check=True))[2]
            for _ in range(5)
        )

    return show(page.as_uri()) - show("data:text/html,empty")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("caps", type=Path)
    options = parser.parse_args()
    caps = options.caps.absolute()
    pattern = f"subjects/*/*/{names.FOLDER}/model-*/*{names.SYNTHETIC_ENDING}"
    print("| what | MB | processor seconds | seconds on the clock |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        images = sorted(caps.glob(pattern))
        # The first page of a process loads libraries and makes the MNI brain: that image twice.
        for number, image in enumerate([*images[:1], *images]):
            shown = Shown(image, image)
            path, used, clock = timed(lambda s=shown: write_page(Path(folder), s, caps))
            what = f"page of {image.name.partition('_')[0]}" + ("" if number else ", the first")
            print(f"| {what} | {path.stat().st_size / 1e6:.2f} | {used:.2f} | {clock:.2f} |")
        for number in ENTRIES:
            lines = entries(number)
            path, used, clock = timed(lambda e=lines: write_group_report(Path(folder), {}, [], e))
            size = path.stat().st_size / 1e6
            print(f"| index of {number} | {size:.2f} | {used:.2f} | {clock:.2f} |")
            if (seconds := opening(path)) is not None:
                print(f"| to open it in headless Chromium | | | {seconds:.2f} |")
    print(f"\nAt most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB of memory.")


if __name__ == "__main__":
    main()
