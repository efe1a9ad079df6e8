"""How a run over visits that are done grows with their number: time by stage, and memory.

    python benchmarks/growth.py --visits 10 100 1000 10000 100000 --figure growth.svg

Makes CAPS of as many visits that are done, with images of one voxel, complete sidecars and empty
pages, in a temporary folder (8 files and folders a visit), and runs `clinica-t1nce run t1-synth-nce`
on each twice: the first run writes table and index, the second finds them as they are. The stages
are then measured one by one in a process of their own. Prints Markdown. Processor time is what to
read on a busy machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from clinica_t1nce.caps import names, selection, sidecar, table
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.files import text
from clinica_t1nce.models.storage import load_weights
from clinica_t1nce.report import synthetic_pages

VISITS = (10, 100, 1_000, 10_000, 100_000)
MAIN = "from clinica_t1nce.cli.main import main; main()"
COMMAND = (sys.executable, "-c", MAIN, "run", "t1-synth-nce")
STAGES = ("discovery", "skipping", "table", "index")


def finished(caps: Path, number: int) -> Path:
    """Make a CAPS of visits that are done."""
    text.write_text(
        caps / "dataset_description.json",
        json.dumps(
            {
                "Name": "growth",
                "BIDSVersion": "1.7.0",
                "CAPSVersion": "1.0.0",
                "DatasetType": "derivative",
            }
        ),
    )
    card = load_weights()[1]
    voxel = nib.Nifti1Image(np.ones((1, 1, 1), np.float32), np.eye(4)).to_bytes()
    pages = caps / synthetic_pages.FOLDER / synthetic_pages.PAGES
    pages.mkdir(parents=True)
    for index in range(number):
        subject = f"sub-{index:06}"
        folder = caps / "subjects" / subject / "ses-M000" / "t1_linear"
        crop = folder / f"{subject}_ses-M000_ce-gadolinium{names.CROP_ENDING}"
        output = names.output_path(crop, card.name)
        for path in (crop, output):
            path.parent.mkdir(parents=True)
            path.write_bytes(voxel)
        content = sidecar.build(
            source=crop,
            output=output,
            card=card,
            change=sidecar.Change(index % 89, index % 83, index % 79 / 1e4),
            confidence=index % 97 / 97,
            gadolinium=index % 53 / 53,
            device="cpu",
            seconds=3.0,
            root=caps,
            selected_by=SelectedBy("metadata", "ce entity"),
        )
        names.sidecar_path(output).write_text(json.dumps(content, indent=2))
        synthetic_pages.page_path(caps / synthetic_pages.FOLDER, output).touch()
    return caps


def stages(caps: Path) -> dict[str, float]:
    """Time what a run over visits that are done consists of, in processor seconds."""
    from clinica_t1nce.pipelines.t1_synth_nce.synthesis_pipeline import T1SynthNce

    folder, seconds = caps / synthetic_pages.FOLDER, {}

    def timed(stage: str, function: Callable[[], Any]) -> Any:
        used = time.process_time()
        result = function()
        seconds[stage] = time.process_time() - used
        return result

    timed("discovery", lambda: selection.select(selection.Request(caps)))
    pipeline = timed("skipping", lambda: T1SynthNce(caps))
    # It discovers, too.
    seconds["skipping"] -= seconds["discovery"]
    timed("table", lambda: table.rewrite(caps))
    shown = [
        synthetic_pages.Shown(path, path)
        for path in map(pipeline.output_path, pipeline._selection.crops)
    ]
    timed("index", lambda: synthetic_pages.complete(folder, caps, shown))
    return seconds


def spent(*command: str) -> tuple[str, float, float, float]:
    """Run a command; give its output, seconds on the clock and of the processor, and peak MB."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    clock = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}\n{printed}")
    return printed, clock, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--visits", type=int, nargs="+", default=VISITS)
    parser.add_argument("--figure", type=Path, help="picture to draw")
    parser.add_argument("--stages", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stages:
        print(json.dumps(stages(options.stages)))
        return
    measured = []
    print(f"| visits | {' | '.join(STAGES)} | first run | again | again, on the clock | MB |")
    print("|---" * (len(STAGES) + 5) + "|")
    for number in options.visits:
        with tempfile.TemporaryDirectory() as folder:
            caps = finished(Path(folder) / "caps", number)
            _, _, first, _ = spent(*COMMAND, str(caps), "-np", "2")
            printed, clock, again, memory = spent(*COMMAND, str(caps), "-np", "2")
            if f"skipped  {number}" not in printed:
                raise SystemExit(f"not all {number} were skipped:\n{printed}")
            parts = json.loads(spent(sys.executable, __file__, "--stages", str(caps))[0])
        row = [*(parts[stage] for stage in STAGES), first, again, clock]
        measured.append((number, *row, memory))
        print(f"| {number} | {' | '.join(f'{x:.2f}' for x in row)} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
