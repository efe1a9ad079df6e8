"""Run SAMSEG on the images of pairs, and lay its label maps out for t1-synth-nce-evaluate.

    python benchmarks/samseg.py CAPS PAIRS_TSV FOLDER [--model NAME] [--command run_samseg]

One image after another, with one thread: the T1nce, the T1ce and what the model made of it, of each
pair in turn. An image whose label map is there is left out, so that the same command goes on after
an interruption. Then: clinica run t1-synth-nce-evaluate ... --segmentation samseg:FOLDER
"""

import argparse
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from clinica_t1nce.bids.pairs import read_usable
from clinica_t1nce.caps import names
from clinica_t1nce.caps.query import find_pair
from clinica_t1nce.models.storage import DEFAULT_MODEL


def images_of(caps: Path, pairs_tsv: Path, model: str) -> Iterator[tuple[str, Path]]:
    """List the images, and the folder of each kind."""
    rows, problems = read_usable(pairs_tsv)
    for row, _ in rows:
        found = find_pair(caps, row)
        assert found.t1ce is not None and found.t1nce is not None
        yield "T1nce", found.t1nce
        yield "T1ce", found.t1ce
        yield model, names.output_path(found.t1ce, model)
    for problem in problems.values():
        print(problem)


def segment(image: Path, folder: Path, command: str) -> float:
    """Segment one image, whole or not at all; return the seconds that it took."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    start = time.perf_counter()
    given = ["--input", str(image), "--output", str(part), "--threads", "1"]
    subprocess.run([command, *given], check=True, stdout=subprocess.DEVNULL)
    part.replace(folder)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("caps", type=Path)
    parser.add_argument("pairs_tsv", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL, help="whose images (%(default)s)")
    parser.add_argument("--command", default="run_samseg", help="SAMSEG's (%(default)s)")
    given = parser.parse_args()
    for kind, image in images_of(given.caps, given.pairs_tsv, given.model):
        folder = given.folder / kind / image.name.removesuffix("_T1w.nii.gz")
        if (folder / "seg.mgz").exists():
            continue
        seconds = segment(image.absolute(), folder, given.command)
        print(f"{kind} {image.name}: {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
