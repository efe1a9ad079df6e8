"""Where the time of one image goes in a batch of `clinica run t1-synth-nce`, or in `translate`.

    python benchmarks/stages.py CROP... --images 50 --processes 2 [--model fast] [--no-report]
    OMP_NUM_THREADS=1 python benchmarks/stages.py T1CE --file

CROP is a T1ce crop of t1-linear. Makes a CAPS of links to the crops, one visit each, in a temporary
folder, and runs the command on it, with as many processes of one thread. The functions that do the
work are timed in all of its processes: each stage without the stages that it calls, in processor
time of its own thread. What remains is Clinica's, Nipype's and ours around them. Prints Markdown.
With `--file`, T1CE is any T1ce, as `clinica-t1nce translate` takes it, and what loads Python and
libraries is left out.
"""

import argparse
import atexit
import functools
import importlib
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

START_UP = "start-up: imports"
REST = "Clinica's and Nipype's, and other"
STAGES = {
    "reading, SHA-256": ["files.content:read_noted"],
    "gunzip": ["files.content:unpack"],
    "decoding of the NIfTI": ["files.nifti:load"],
    "loading of the weights": ["models.storage:load_weights"],
    "background, outliers, scaling": [
        "synthesis.conditioning:condition",
        "synthesis.conditioning:Conditioned.subtract",
        "volumes.intensity:measure",
    ],
    "network": ["models.change_unet:ChangeUNet.where_filled"],
    "views, decoding of the output, fading": [
        "synthesis.synthesizer:Synthesizer._decode",
        "synthesis.synthesizer:Synthesizer._predict",
    ],
    "detector": ["synthesis.detector:measure_features"],
    "other of the synthesizer": ["synthesis.synthesizer:Synthesizer.__call__"],
    "what the sidecar says": [
        "caps.sidecar:describe_image",
        "caps.sidecar:measure_change",
        "synthesis.enhancement_prior:locate",
    ],
    "gzip": ["files.atomic:compress"],
    "writing": ["files.nifti:save", "caps.sidecar:write"],
    "page": ["report.synthetic_pages:write_page", "report.synthetic_pages:write_page_of"],
    "table": ["caps.table:rewrite"],
    "index": ["report.synthetic_pages:write_index"],
    "selection, skipping": ["pipelines.t1_synth_nce.synthesis_pipeline:T1SynthNce.__init__"],
    REST: ["pipelines.resumable:ResumablePipeline._work_once"],
}
ONCE = ("loading of the weights", "table", "index", "selection, skipping")
"""Stages of a run, not of an image."""
NETWORK_OR_DISK = ("network", "reading, SHA-256", "writing")
FILE = {
    "N4": ["volumes.bias:measure_bias"],
    "brain": ["volumes.mni:deepbet_mask"],
    "affine": ["volumes.mni:find_pose"],
    "network and the rest": ["translation.single:synthesise_volume"],
}
"""Stages of a file that comes without a CAPS."""


class Clock:
    """Sums the processor time of stages, each without those that it calls."""

    def __init__(self, now: Callable[[], float] = time.thread_time) -> None:
        self.now = now
        self.seconds: dict[str, float] = defaultdict(float)
        self._running = threading.local()

    def time(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            outer, self._running.inner = getattr(self._running, "inner", 0.0), 0.0
            start = self.now()
            try:
                return function(*args, **kwargs)
            finally:
                spent = self.now() - start
                self.seconds[stage] += spent - self._running.inner
                self._running.inner = outer + spent

        return timed


def instrument(clock: Clock, stages: dict[str, list[str]]) -> None:
    """Replace each function by a timed one, wherever it was imported to."""
    for stage, places in stages.items():
        for place in places:
            owner, name = find(place)
            function = getattr(owner, name)
            timed = clock.time(stage, function)
            setattr(owner, name, timed)
            if not isinstance(owner, type):
                _replace(function, timed)


def find(place: str) -> tuple[Any, str]:
    """Give what a function belongs to, a module or a class, and its name there."""
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(f"clinica_t1nce.{module}")
    *classes, name = path.split(".")
    for each in classes:
        owner = getattr(owner, each)
    return owner, name


def _replace(function: Any, timed: Any) -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("clinica_t1nce"):
            for key, value in list(vars(module).items()):
                if value is function:
                    setattr(module, key, timed)


def measure(folder: Path) -> None:
    """Time this process from now to its end, and leave what was found in a folder."""
    works, stages = "clinica_t1nce.engine.local_plugin" in sys.orig_argv, STAGES
    importlib.import_module("clinica_t1nce.interfaces" if works else "clinica.cmdline")
    if works:
        # Without Clinica.
        stages = {n: p for n, p in STAGES.items() if not p[0].startswith("pipelines")}
    clock = Clock()
    instrument(clock, stages)
    startup = time.process_time()

    def leave() -> None:
        found = {
            "stages": clock.seconds,
            START_UP: startup,
            "all": time.process_time(),
            "GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        }
        (folder / f"{os.getpid()}.json").write_text(json.dumps(found), encoding="utf-8")

    atexit.register(leave)


def make(caps: Path, crops: Sequence[Path], number: int) -> None:
    """Make a CAPS of links to crops."""
    from clinica_t1nce.caps import description, names

    for index, crop in zip(range(number), itertools.cycle(crops), strict=False):
        subject = f"sub-{index:03}"
        folder = caps / "subjects" / subject / "ses-M000" / "t1_linear"
        folder.mkdir(parents=True)
        (folder / f"{subject}_ses-M000_ce-gadolinium{names.CROP_ENDING}").symlink_to(crop)
    description.add(caps, "stages", bids_version="1.7.0", caps_version="1.0.0")


def run(
    crops: Sequence[Path], number: int, n_processes: int, *given: str
) -> tuple[list[Any], float]:
    """Run the command; give what each of its processes found, and seconds on the clock."""
    with tempfile.TemporaryDirectory() as folder:
        caps, hook, found = (Path(folder, name) for name in ("caps", "hook", "found"))
        make(caps, crops, number)
        hook.mkdir()
        found.mkdir()
        # Python runs a module of this name as it starts.
        (hook / "sitecustomize.py").write_text(
            f"import pathlib, stages\nstages.measure(pathlib.Path({str(found)!r}))\n"
        )
        paths = [str(hook), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        start = time.perf_counter()
        command = [str(Path(sys.executable).with_name("clinica")), "run", "t1-synth-nce", str(caps)]
        subprocess.run(
            [*command, *given, "--device", "cpu", "-np", str(n_processes), "-wd", f"{folder}/wd"],
            check=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        clock = time.perf_counter() - start
        return [json.loads(path.read_text()) for path in found.iterdir()], clock


def translate(path: Path) -> dict[str, float]:
    """Give processor seconds by stage of one file, those of ANTs' threads included."""
    for library in ("ants", "deepbet"):
        importlib.import_module(library)
    from clinica_t1nce.files import nifti
    from clinica_t1nce.synthesis import Synthesizer
    from clinica_t1nce.translation import single

    image, synthesizer = nifti.load(path), Synthesizer.load()
    clock = Clock(time.process_time)
    instrument(clock, FILE)
    single.synthesise_volume(image.data, image.affine, synthesizer)
    return dict(clock.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("crops", nargs="+", type=Path)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--model", default="default", help="weights (%(default)s)")
    parser.add_argument("--no-report", action="store_true", help="make no pages")
    parser.add_argument("--file", action="store_true", help="time `translate`, of the first image")
    options = parser.parse_args()
    if options.file:
        seconds = translate(options.crops[0])
        cells = [f"{seconds.get(stage, 0.0):.1f}" for stage in FILE]
        print(f"| {' | '.join(FILE)} | all |\n{'|---' * (len(FILE) + 1)}|")
        print(f"| {' | '.join(cells)} | {sum(seconds.values()):.1f} |")
        return
    number = options.images
    crops = [crop.absolute() for crop in options.crops]
    given = ["--model", options.model, *(["--no-report"] if options.no_report else [])]
    processes, clock = run(crops, number, options.processes, *given)
    rows: Counter[str] = Counter()
    for each in processes:
        rows.update({**each["stages"], START_UP: each[START_UP]})
    total = sum(each["all"] for each in processes)
    rows[REST] += total - sum(rows.values())
    print(
        f"\n{number} images, {len(processes)} processes: {total:.1f} processor seconds, "
        f"{total / number:.2f} an image; {clock:.0f} s on the clock.\n"
    )
    print("| stage | seconds an image | share |\n|---|---|---|")
    for name in (*(name for name in STAGES if name not in ONCE), *ONCE, START_UP):
        each = f"{rows[name] / number:.3f}"
        each += f" ({rows[name]:.2f} a run)" if name in (*ONCE, START_UP) else ""
        print(f"| {name} | {each} | {100 * rows[name] / total:.1f} % |")
    rest = total - sum(rows[name] for name in NETWORK_OR_DISK)
    print(f"\nNeither network nor disk: {100 * rest / total:.1f} %.")
    memory = ", ".join(f"{each['GB']:.2f}" for each in processes)
    print(f"At most {memory} GB of memory, each process.")


if __name__ == "__main__":
    main()
