"""What reports cost: a page an image, and the index of thousands; and what a run costs again.

    python benchmarks/report.py CAPS
    python benchmarks/report.py CAPS --again 20000

CAPS is one that `clinica run t1-synth-nce` has worked on. Writes to a temporary folder, on one
thread; prints Markdown. Processor time is what to read on a busy machine. With ``--again``, a run
over as many visits that are done, each with the sidecar of the first image of CAPS, is timed twice
and without a report: the first time, it writes the table.
"""

import argparse
import json
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.files.content import fingerprint
from clinica_t1nce.models.storage import DEFAULT_MODEL
from clinica_t1nce.pipelines.t1_synth_nce.synthesis_pipeline import T1SynthNce
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


def finished(root: Path, caps: Path, image: Path, number: int) -> Path:
    """Make a CAPS of visits that are done: the sidecars are real, the images of one voxel."""
    (root / "subjects").mkdir(parents=True)
    shutil.copy(caps / "dataset_description.json", root)
    content = sidecar.read(image)
    voxel = nib.Nifti1Image(np.ones((1, 1, 1), np.float32), np.eye(4)).to_bytes()
    for index in range(number):
        subject = f"sub-{index:06}"
        folder = root / "subjects" / subject / "ses-M000" / "t1_linear"
        crop = folder / f"{subject}_ses-M000_ce-gadolinium{names.CROP_ENDING}"
        output = names.output_path(crop, content["Model"]["Name"])
        for path in (crop, output):
            path.parent.mkdir(parents=True)
            path.write_bytes(voxel)
        source = {"Sources": [names.uri(crop, root, output.parent)]}
        source["SourceFiles"] = [fingerprint(crop)]
        names.sidecar_path(output).write_text(json.dumps(content | source, indent=2))
    return root


def again(caps: Path, image: Path, number: int) -> None:
    """Time a run over visits that are done."""
    with tempfile.TemporaryDirectory() as folder:
        root = finished(Path(folder) / "caps", caps, image, number)

        def run() -> None:
            T1SynthNce(root, parameters={"report": False}).run(quiet=True)

        for what in ("first", "second"):
            _, used, clock = timed(run)
            print(f"| {what} run over {number} visits that are done | | {used:.1f} | {clock:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("caps", type=Path)
    parser.add_argument("--again", type=int, help="number of visits that are done")
    options = parser.parse_args()
    caps = options.caps.absolute()
    pattern = f"subjects/*/*/{names.FOLDER}/model-*/*{names.SYNTHETIC_ENDING}"
    print("| what | MB | processor seconds | seconds on the clock |")
    print("|---|---|---|---|")
    if options.again:
        made = caps.glob(pattern.replace("model-*", f"model-{DEFAULT_MODEL}"))
        image = next(made, None)
        if image is None:
            parser.error(f"{caps}: no image of {DEFAULT_MODEL}; run t1-synth-nce on it first")
        return again(caps, image, options.again)
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
