"""How a run over visits that are done grows with their number: time by stage, and memory.

    python benchmarks/growth.py --figure growth.png

Makes CAPS of as many visits that are done, with images of one voxel, complete sidecars and empty
pages, in a temporary folder (10 files and folders a visit). The stages of a run are measured one by
one in a process of their own, which writes table and index; then `clinica-t1nce run t1-synth-nce`
runs on all of it again. Prints Markdown: processor seconds, those of the whole command again and on
the clock, and its peak memory. Processor time is what to read on a busy machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from clinica_t1nce.caps import names, selection, sidecar, table
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.files import text
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.storage import load_weights
from clinica_t1nce.report import synthetic_pages, thumbnails

VISITS = (10, 100, 1_000, 10_000, 100_000)
MAIN = "from clinica_t1nce.cli.main import main; main()"
COMMAND = (sys.executable, "-c", MAIN, "run", "t1-synth-nce")
STAGES = ("discovery", "skipping", "table", "index")


def finished(caps: Path, number: int) -> None:
    """Make a CAPS of visits that are done."""
    description = {"Name": "growth", "BIDSVersion": "1.7.0", "CAPSVersion": "1.0.0"}
    description["DatasetType"] = "derivative"
    text.write_text(caps / "dataset_description.json", json.dumps(description))
    voxel = nib.Nifti1Image(np.ones((1, 1, 1), np.float32), np.eye(4)).to_bytes()
    (caps / synthetic_pages.FOLDER / synthetic_pages.PAGES).mkdir(parents=True)
    card, content = load_weights()[1], ""
    for index in range(number):
        subject = f"sub-{index:06}"
        folder = caps / "subjects" / subject / "ses-M000" / "t1_linear"
        crop = folder / f"{subject}_ses-M000_ce-gadolinium{names.CROP_ENDING}"
        output = names.output_path(crop, card.name)
        for path in (crop, output):
            path.parent.mkdir(parents=True)
            path.write_bytes(voxel)
        os.utime(crop, (0, 0))
        content = content or _sidecar(crop, output, caps, card)
        names.sidecar_path(output).write_text(
            content.replace("sub-000000", subject).replace('"0.5"', f"{index % 97 / 97:.4f}")
        )
        page = synthetic_pages.page_path(caps / synthetic_pages.FOLDER, output)
        page.touch()
        thumbnails.path_of(page).touch()


def _sidecar(crop: Path, output: Path, caps: Path, card: Card) -> str:
    content = sidecar.describe_image(
        output,
        sidecar.SourceImage(crop, caps, selected_by=SelectedBy("metadata", "ce entity")),
        sidecar.Prediction(card, 0.5, 0.99),
        change={"Mean": 1.0, "Percentile99": 20.0, "MeanRelativeToSource": 0.002},
        seconds=3.0,
    )
    return json.dumps({**content, "Confidence": "0.5"}, indent=2)


def stages(caps: Path) -> dict[str, float]:
    """Time what a run over visits that are done consists of, in processor seconds."""
    from clinica_t1nce.pipelines.t1_synth_nce.synthesis_pipeline import T1SynthNce

    folder, seconds = caps / synthetic_pages.FOLDER, {}

    def timed(stage: str, function: Callable[[], Any]) -> Any:
        used = time.process_time()
        result = function()
        seconds[stage] = time.process_time() - used
        return result

    timed("discovery", lambda: selection.select(selection.SelectionRequest(caps)))
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


def spent(*command: str | Path) -> tuple[str, float, float, float]:
    """Run a command; give its output, seconds on the clock and of the processor, and peak MB."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    clock = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{command}: exit code {process.returncode}\n{printed}")
    return printed, clock, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def measure(number: int) -> dict[str, float]:
    """Measure a number of visits that are done."""
    with tempfile.TemporaryDirectory() as folder:
        caps = Path(folder, "caps")
        finished(caps, number)
        found = json.loads(spent(sys.executable, __file__, "--stages", caps)[0])
        printed, clock, used, memory = spent(*COMMAND, caps)
        if f"skipped  {number} " not in printed:
            raise SystemExit(f"not all {number} were skipped:\n{printed}")
    return {**found, "again": used, "on the clock": clock, "MB": memory}


def draw(path: Path, measured: Mapping[int, Mapping[str, float]]) -> None:
    """Draw time and memory by number of visits, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    visits = list(measured)
    for name in (*STAGES, "again"):
        style = "k-o" if name == "again" else "-o"
        label = "the whole command" if name == "again" else name
        left.loglog(visits, [row[name] for row in measured.values()], style, ms=3, label=label)
    left.axhline(60, color="0.5", lw=0.8, ls="--", label="a minute")
    left.set(xlabel="visits that are done", ylabel="processor seconds")
    left.legend(fontsize=8)
    right.semilogx(visits, [row["MB"] for row in measured.values()], "k-o", ms=3)
    right.set(xlabel="visits that are done", ylabel="peak memory, MB", ylim=(0, None))
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--visits", type=int, nargs="+", default=VISITS)
    parser.add_argument("--figure", type=Path, help="picture to draw")
    parser.add_argument("--stages", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stages:
        print(json.dumps(stages(options.stages)))
        return
    measured: dict[int, dict[str, float]] = {}
    for number in options.visits:
        row = measured[number] = measure(number)
        if len(measured) == 1:
            print(f"| visits | {' | '.join(row)} |\n{'|---' * (len(row) + 1)}|")
        *times, memory = row.values()
        cells = [str(number), *(f"{x:.2f}" for x in times), f"{memory:.0f}"]
        print(f"| {' | '.join(cells)} |", flush=True)
        if options.figure:
            draw(options.figure, measured)


if __name__ == "__main__":
    main()
