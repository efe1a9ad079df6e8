"""Crops as t1-linear of Clinica before 0.12 and since would make them: see benchmarks/README.md.

``python benchmarks/n4.py CAPS BIDS OUT [PARTICIPANT...]`` corrects the bias of each raw image with
knots of N4's spline every 600 and every 200 mm, resamples it by t1-linear's affine, and writes
OUT/600, OUT/200 and OUT/mixed, where T1ce are of the old and T1nce of the new Clinica. Prints how
far both differ, and so the T1nce that the default weights make of both.
"""

import argparse
from functools import cache
from pathlib import Path

import numpy as np

from clinica_t1nce.bids.contrast_agents import has_contrast
from clinica_t1nce.caps import description, names, query
from clinica_t1nce.files import nifti
from clinica_t1nce.synthesis import Synthesizer
from clinica_t1nce.volumes import grids, intensity, itk

DISTANCES = (600, 200)


load = cache(Synthesizer.load)


def correct(raw: nifti.Image, distance: int) -> np.ndarray:
    """Correct the bias as t1-linear does, on coarser voxels: every sixth, not every fourth."""
    import ants

    image = itk.to_ants(raw.data, raw.affine)
    return ants.n4_bias_field_correction(image, spline_param=distance, shrink_factor=6).numpy()


def differ(made: dict[int, np.ndarray]) -> str:
    """Give the mean difference of two images in the head, and the largest 1 %, as cells."""
    head = intensity.foreground(made[200])
    # One factor for the whole image is no difference: images are scaled before all else.
    ratio = made[600][head] / np.maximum(made[200][head], 1e-6)
    return cells(ratio / np.median(ratio) - 1)


def cells(off: np.ndarray) -> str:
    """Give the mean and the largest 1 % of parts of 1, in %."""
    return f"{100 * np.abs(off).mean():.1f} | {100 * np.quantile(np.abs(off), 0.99):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("caps", "bids", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("participants", nargs="*")
    args = parser.parse_args()
    print("| image | mean difference in the head, % of its brightness | largest 1 % |")
    print("|---|---:|---:|")
    for visit, path in query.find_crops(args.caps):
        if args.participants and visit.subject not in args.participants:
            continue
        crop, raw = nifti.load(path), nifti.load(names.raw_path(path, args.bids))
        transform = itk.read_itk_affine(names.affine_path(path))
        made = {}
        for distance in DISTANCES:
            data = correct(raw, distance)
            made[distance] = grids.sample(
                data, raw.affine, crop.data.shape, crop.affine, transform
            ).astype(np.float32)
        for folder, distance in {
            "600": 600,
            "200": 200,
            "mixed": 600 if has_contrast(path.name) else 200,
        }.items():
            nifti.save(args.out / folder / path.relative_to(args.caps), made[distance], like=crop)
        name = path.name.partition("_space")[0]
        print(f"| {name} | {differ(made)} |", flush=True)
        if not has_contrast(path.name):
            continue
        found = {key: load()(data, crop.affine).image for key, data in made.items()}
        print(f"| {name}, synthetic T1nce | {differ(found)} |")
        head = intensity.foreground(made[200])
        kept = {key: found[key][head] / np.maximum(data[head], 1e-6) for key, data in made.items()}
        print(f"| {name}, share removed | {cells(kept[600] - kept[200])} |", flush=True)
    for folder in args.out.iterdir():
        description.add(folder, folder.name, bids_version="1.7.0", caps_version="1.0.0")


if __name__ == "__main__":
    main()
