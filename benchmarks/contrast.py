"""How bright fluid and gray matter are, in units of white matter, in both scans of real pairs.

    python benchmarks/contrast.py FILES_TSV [--split train ...] [--model NAME]

FILES_TSV lists pairs as training takes them (t1ce, t1nce, split, name; skull-stripped, on one
grid); of those with a column `sharp`, the ones marked `both` are taken. The tissues are the three
classes of intensities (Otsu) that both scans agree on, without what enhances, what lies next to it,
and their own borders; the same voxels are read in the T1nce, the T1ce and what the model makes of
it. Prints Markdown: medians over white matter's median.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_multiotsu

from clinica_t1nce.evaluation.smooth_recovery import prepare_smooth_pair
from clinica_t1nce.files import nifti
from clinica_t1nce.files.text import read_rows
from clinica_t1nce.synthesis import Synthesizer

FEWEST = 50
"""Voxels of a tissue, below which it is not measured."""


def cores(scans: Sequence[np.ndarray], mask: np.ndarray) -> list[np.ndarray]:
    """Find the inside of fluid, gray and white matter in a mask, where all scans show them.

    By one scan alone, its noise would decide, and make its tissues differ more than the other's.
    """
    classes = []
    for scan in scans:
        low, high = np.percentile(scan[mask], [0.5, 99.5])
        thresholds = threshold_multiotsu(np.clip(scan[mask], low, high), classes=3)
        classes.append(np.digitize(scan, thresholds))
    return [
        np.logical_and.reduce([ndimage.binary_erosion(mask & (own == n)) for own in classes])
        for n in range(3)
    ]


def contrasts(image: np.ndarray, tissues: Sequence[np.ndarray]) -> tuple[float, float]:
    """Measure fluid and gray matter, in units of white matter."""
    fluid, gray, white = (float(np.median(image[tissue])) for tissue in tissues)
    return fluid / white, gray / white


def line(name: str, found: np.ndarray) -> str:
    """Write a row of the table: fluid in the three images, then gray matter."""
    return f"| {name} | {' | '.join(f'{value:.3f}' for value in found.T.ravel())} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pairs", type=Path, metavar="FILES_TSV")
    parser.add_argument("--split", nargs="+", default=["train", "validation"])
    parser.add_argument("--model", default="default", help="weights (%(default)s)")
    given = parser.parse_args()
    synthesizer = Synthesizer.load(given.model, "cpu")
    print("| pair | CSF: T1nce | T1ce | synthetic | GM: T1nce | T1ce | synthetic |")
    print("|---|" + "---:|" * 6)
    rows = []
    for cells in read_rows(given.pairs, required=("t1ce", "t1nce", "split", "name")):
        if cells["split"] not in given.split or cells.get("sharp", "both") != "both":
            continue
        t1ce, t1nce = (nifti.load(given.pairs.parent / cells[key]) for key in ("t1ce", "t1nce"))
        pair = prepare_smooth_pair(t1ce.data, t1nce.data)
        still = pair.mask & ~ndimage.binary_dilation(pair.enhancing)
        tissues = cores([image.data[pair.box] for image in (t1nce, t1ce)], still)
        if min(np.count_nonzero(tissue) for tissue in tissues) < FEWEST:
            print(f"| {cells['name']} | too few voxels of a tissue |" + " |" * 5)
            continue
        made = synthesizer(t1ce.data, t1ce.affine).image
        images = (t1nce.data, t1ce.data, made)
        found = np.array([contrasts(image[pair.box], tissues) for image in images])
        rows.append(found)
        print(line(cells["name"], found), flush=True)
    if not rows:
        raise SystemExit(f"{given.pairs}: no sharp pair of {', '.join(given.split)} to measure")
    all_pairs = np.array(rows)
    means, gains = all_pairs.mean(axis=0), all_pairs[:, 1:] - all_pairs[:, :1]
    print(line(f"mean of {len(rows)}", means))
    for number, image in enumerate(("T1ce", "synthetic")):
        for tissue, values in zip(("CSF", "GM"), gains[:, number].T, strict=True):
            print(
                f"\n{image}, {tissue}: {values.mean():+.3f} of white matter ({values.min():+.3f} "
                f"to {values.max():+.3f}), brighter in {np.sum(values > 0)} of {len(values)}."
            )


if __name__ == "__main__":
    main()
