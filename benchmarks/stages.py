"""Where the time of one image goes in a batch of `clinica run t1-synth-nce`, or in `translate`.

    OMP_NUM_THREADS=1 python benchmarks/stages.py CROP --images 50
    OMP_NUM_THREADS=1 python benchmarks/stages.py T1CE --file

CROP is a T1ce crop of t1-linear. Makes a CAPS of copies of it in a temporary folder, and runs the
command on it in this process, on one thread (Nipype's plug-in Linear). The functions that do the
work are timed: each stage without the stages that it calls, in processor time of its own thread.
What remains is Clinica's, Nipype's and ours around them. Prints Markdown. With `--file`, T1CE is
any T1ce, as `clinica-t1nce translate` takes it, and what loads Python and libraries is left out.
"""

import argparse
import functools
import importlib
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
        "caps.sidecar:build",
        "caps.sidecar:measure_change",
        "synthesis.enhancement_prior:locate",
    ],
    "gzip": ["files.atomic:compress"],
    "writing": ["files.nifti:save", "caps.sidecar:write"],
    "page": ["report.synthetic_pages:write_page", "report.synthetic_pages:write_page_of"],
    "table": ["caps.table:rewrite"],
    "index": ["report.synthetic_pages:write_index"],
    "selection, skipping": ["pipelines.t1_synth_nce.synthesis_pipeline:T1SynthNce.__init__"],
    "Clinica's and Nipype's": ["pipelines.resumable:ResumablePipeline._work_once"],
}
ONCE = ("loading of the weights", "table", "index", "selection, skipping")
"""Stages of a run, not of an image."""
NETWORK_OR_DISK = ("network", "reading, SHA-256", "writing")
FILE = {
    "N4": ["volumes.intensity:measure_bias"],
    "brain": ["volumes.mni:deepbet_mask"],
    "affine": ["volumes.mni:find_pose"],
    "network and the rest": ["translation.single:synthesise"],
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


def make(caps: Path, crop: Path, number: int) -> None:
    """Make a CAPS of copies of a crop."""
    from clinica_t1nce.caps import description, names

    for index in range(number):
        subject = f"sub-{index:03}"
        folder = caps / "subjects" / subject / "ses-M000" / "t1_linear"
        folder.mkdir(parents=True)
        shutil.copy(crop, folder / f"{subject}_ses-M000_ce-gadolinium{names.CROP_ENDING}")
    description.add(caps, "stages", bids_version="1.7.0", caps_version="1.0.0")


def run(crop: Path, number: int) -> tuple[dict[str, float], float, float]:
    """Give processor seconds by stage, of start-up, and of all."""
    begun = time.process_time()
    importlib.import_module("clinica.cmdline")  # The command starts with it.
    from clinica_t1nce.pipelines.t1_synth_nce.synthesis_cli import cli

    clock = Clock()
    instrument(clock, STAGES)
    startup = time.process_time() - begun
    with tempfile.TemporaryDirectory() as folder:
        caps = Path(folder, "caps")
        make(caps, crop, number)
        os.chdir(folder)
        options = [str(caps), "--device", "cpu", "-np", "1", "--nipype-plugin", "Linear"]
        start = time.process_time()
        cli(options, standalone_mode=False)
        worked = time.process_time() - start
    return dict(clock.seconds), startup, worked


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
    single.synthesise(image.data, image.affine, synthesizer)
    return dict(clock.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("crop", type=Path)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--file", action="store_true", help="time `translate`")
    options = parser.parse_args()
    if options.file:
        seconds = translate(options.crop)
        cells = [f"{seconds.get(stage, 0.0):.1f}" for stage in FILE]
        print(f"| {' | '.join(FILE)} | all |\n{'|---' * (len(FILE) + 1)}|")
        print(f"| {' | '.join(cells)} | {sum(seconds.values()):.1f} |")
        return
    number = options.images
    seconds, startup, worked = run(options.crop.absolute(), number)
    seconds["Clinica's and Nipype's"] += worked - sum(seconds.values())
    once = {name: seconds.pop(name, 0.0) for name in ONCE}
    total = startup + worked
    print(f"\n{number} images: {total:.1f} processor seconds, {total / number:.2f} an image.\n")
    print("| stage | seconds an image | share |\n|---|---|---|")
    rows = {**seconds, **once, "start-up: imports": startup}
    for name in [*(n for n in STAGES if n not in ONCE), *ONCE, "start-up: imports"]:
        spent = rows.get(name, 0.0)
        each = f"{spent / number:.3f}" + (f" ({spent:.2f} a run)" if name not in seconds else "")
        print(f"| {name} | {each} | {100 * spent / total:.1f} % |")
    rest = total - sum(rows.get(name, 0.0) for name in NETWORK_OR_DISK)
    print(f"\nNeither network nor disk: {100 * rest / total:.1f} %.")
    print(f"At most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB of memory.")


if __name__ == "__main__":
    main()
