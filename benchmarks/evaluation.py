"""Time and memory of the evaluation: one pair of real size, and a group of pairs.

    python benchmarks/evaluation.py [--pairs 1000]

The pair is made up (crops of t1-linear's size; T1ce and one synthetic image), its mask and
tissue maps are given: similarity, recovery of the enhancement, volumes and Dice. The group is
made-up records of pairs: tables, tests and the index of the report.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from scipy import ndimage

from clinica_t1nce.evaluation.frames import collect, compare_methods
from clinica_t1nce.evaluation.measures import measure_images
from clinica_t1nce.evaluation.tables import make_tables
from clinica_t1nce.evaluation.volumes import dice, measure_volumes, most_probable
from clinica_t1nce.files.nifti import CROP_SHAPE
from clinica_t1nce.report import PageEntry, write_group_report

MODELS = ("a", "b")


@contextmanager
def measured(what: str) -> Iterator[None]:
    start, cpu = time.perf_counter(), time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    seconds = time.perf_counter() - start
    print(
        f"{what}: {seconds:.1f} s, {time.process_time() - cpu:.1f} s of CPU; "
        f"peak of the process so far {peak:.2f} GB",
        flush=True,
    )


def one_pair() -> None:
    rng = np.random.default_rng(0)
    axes = np.ogrid[tuple(slice(-1, 1, side * 1j) for side in CROP_SHAPE)]
    mask = sum(axis**2 for axis in axes) < 0.7
    y = ndimage.gaussian_filter(rng.normal(size=CROP_SHAPE).astype(np.float32), 2)
    y = np.where(mask, (y - y.min()) * 1000, 0).astype(np.float32)
    x = y + np.where(rng.random(CROP_SHAPE) > 0.97, 500, 0).astype(np.float32) * mask
    s = y + np.where(x > y, 100, 0).astype(np.float32)
    edges = np.quantile(y[mask], [0.2, 0.6])
    maps = [np.where(mask & (np.digitize(y, edges) == k), 1, 0) for k in (1, 2, 0)]
    maps = [volume.astype(np.float32) for volume in maps]
    with measured("similarity of T1ce and one model"):
        measure_images(y, [x, s], mask, mask)
    with measured("volumes and Dice of T1nce, T1ce and one model"):
        labels = [most_probable(maps) for _ in range(3)]
        for each in labels:
            measure_volumes(each, np.eye(4))
        for each in labels[1:]:
            dice(labels[0], each)


def records(n_pairs: int) -> list[dict]:
    rng = np.random.default_rng(0)
    made = []
    for n in range(n_pairs):
        images = ("T1ce", *MODELS)
        measures = [
            {
                name: float(rng.normal(4, 1))
                for base in ("mae", "psnr", "ssim")
                for name in (base, f"{base}_matched")
            }
            for _ in images
        ]
        made.append(
            {
                "participant_id": f"sub-{n:05}",
                "session_id_t1ce": "ses-1ce",
                "session_id_t1nce": "ses-1",
                "quality": ("good", "medium", "low")[n % 3],
                "images": list(images),
                "similarity": {"rigid": measures, "none": measures},
                "volumes": [
                    {t: float(rng.normal(500, 50)) for t in ("GM", "WM", "CSF")}
                    for _ in range(1 + len(images))
                ],
                "dice": {
                    "rigid": [
                        {t: float(rng.uniform(0.6, 0.9)) for t in ("GM", "WM", "CSF")}
                        for _ in images
                    ]
                },
            }
        )
    return made


def group(n_pairs: int) -> None:
    made = records(n_pairs)
    with measured(f"tables and tests of {n_pairs} pairs"):
        frames = collect(made)
        make_tables(frames, compare_methods(frames))
    with measured(f"index of {n_pairs} pairs"), tempfile.TemporaryDirectory() as folder:
        entries = [
            PageEntry(f"{r['participant_id']} ses-1", None, float(n), {"MAE": float(n)}, ["flag"])
            for n, r in enumerate(made)
        ]
        path = write_group_report(Path(folder), {}, [], entries)
        print(f"report.html: {path.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=1000)
    arguments = parser.parse_args()
    one_pair()
    group(arguments.pairs)
    group(10 * arguments.pairs)


if __name__ == "__main__":
    main()
