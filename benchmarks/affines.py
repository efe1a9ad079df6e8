"""How right and wrong affines of t1-linear are told apart: see benchmarks/README.md.

``python benchmarks/affines.py LABEL_MAP...`` on simulated heads, ``python benchmarks/affines.py
--caps CAPS --bids BIDS`` on the crops of a CAPS. Prints Markdown.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from clinica_t1nce.caps import names, query
from clinica_t1nce.files import nifti
from clinica_t1nce.synthesis import transfer
from clinica_t1nce.volumes import grids, itk

CROP_AFFINE = np.array([[1.0, 0, 0, -84], [0, 1, 0, -119], [0, 0, 1, -78], [0, 0, 0, 1]])
BENT = (0, 2, 4)
"""Standard deviations of the displacement, mm, of heads that were registered non-linearly."""
CORRELATED = 15
"""Distance, mm, over which it changes."""
MOVED = (5, 10, 20)
"""How far wrong affines are moved, mm, and turned, degrees."""
TISSUES = {2: 700, 41: 700, 3: 450, 42: 450, 24: 150, 4: 120, 43: 120}
"""Brightness of white matter, cortex and CSF; the rest of a head is drawn at random."""
BRAIN = 100
"""Labels of the brain are smaller."""


@dataclass(frozen=True)
class Case:
    """A crop, the raw image that it was made of, and the right affine between them."""

    name: str
    kind: str
    crop: np.ndarray
    crop_affine: np.ndarray
    raw: np.ndarray
    raw_affine: np.ndarray
    transform: np.ndarray

    def agreements(self, transform: np.ndarray) -> tuple[float, float]:
        """Voxel by voxel and in cubes, under an affine."""
        there = self.crop.shape, self.crop_affine, transform
        moved = grids.sample(self.raw, self.raw_affine, *there)
        on_crop = moved / transfer.measure_gain(moved, self.crop)
        return (
            transfer.measure_correlation(on_crop, self.crop),
            transfer.measure_rough_correlation(on_crop, self.crop),
        )


def displacements(rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Draw what makes affines wrong: in random directions, about random axes."""
    for size in MOVED:
        shift, turn = np.eye(4), np.eye(4)
        shift[:3, 3] = size * _direction(rng)
        turn[:3, :3] = Rotation.from_rotvec(np.deg2rad(size) * _direction(rng)).as_matrix()
        yield f"moved {size} mm", shift
        yield f"turned {size} degrees", turn


def _direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=3)
    unit: np.ndarray = vector / np.linalg.norm(vector)
    return unit


def simulate(path: Path, rng: np.random.Generator) -> Iterator[Case]:
    """Make heads and brains of a label map, and crops of them, straight and bent."""
    stored = nifti.load(path)
    labels = stored.data.astype(int)
    values = rng.uniform(60, 900, labels.max() + 1)
    for label, value in TISSUES.items():
        if label < values.size:
            values[label] = value * rng.uniform(0.9, 1.1)
    values[0] = 0
    head = values[labels].astype(np.float32)
    raw_affine = stored.affine.copy()
    raw_affine[:3, 3] = [0, -15, 10] - raw_affine[:3, :3] @ (np.array(labels.shape) / 2)
    for kind, clean in (("head", head), ("brain", np.where(labels < BRAIN, head, 0))):
        raw = np.maximum(clean + rng.normal(scale=15, size=clean.shape) * (clean > 0), 0)
        transform = np.eye(4)
        turn = Rotation.from_rotvec(np.deg2rad(rng.uniform(-10, 10, 3))).as_matrix()
        transform[:3, :3] = turn @ np.diag(rng.uniform(0.88, 1.05, 3))
        transform[:3, 3] = rng.uniform(-10, 10, 3)
        straight = grids.sample(raw, raw_affine, nifti.CROP_SHAPE, CROP_AFFINE, transform)
        for strength in BENT:
            crop = _bend(straight, strength, rng) if strength else straight
            name = f"{path.name}, bent {strength} mm"
            yield Case(name, kind, crop, CROP_AFFINE, raw, raw_affine, transform)


def _bend(volume: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    places = []
    for axis in np.meshgrid(*map(np.arange, volume.shape), indexing="ij"):
        coarse = rng.normal(size=[side // CORRELATED + 3 for side in volume.shape])
        fine = ndimage.zoom(coarse, CORRELATED)[tuple(map(slice, volume.shape))]
        places.append(axis + strength * fine / fine.std())
    bent: np.ndarray = ndimage.map_coordinates(volume, places, order=1)
    return bent


def read(caps: Path, bids: Path) -> Iterator[Case]:
    """Read the crops of a CAPS with their raw images."""
    for visit, path in query.find_crops(caps):
        crop, raw = nifti.load(path), nifti.load(names.raw_path(path, bids))
        transform = itk.read_itk_affine(names.affine_path(path))
        yield Case(
            visit.subject, str(visit), crop.data, crop.affine, raw.data, raw.affine, transform
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("label_maps", nargs="*", type=Path)
    parser.add_argument("--caps", type=Path)
    parser.add_argument("--bids", type=Path)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    print("| image | | affine | agreement | in cubes |\n|---|---|---|---:|---:|")
    if arguments.caps:
        cases = list(read(arguments.caps, arguments.bids))
        for case in cases:
            _report(case, "right", case.transform)
            for other in cases:
                if other.name != case.name:
                    _report(case, f"of {other.kind}", other.transform)
    for path in arguments.label_maps:
        for case in simulate(path, rng):
            _report(case, "right", case.transform)
            for what, wrong in displacements(rng):
                _report(case, what, case.transform @ wrong)


def _report(case: Case, what: str, transform: np.ndarray) -> None:
    figures = " | ".join(f"{figure:.2f}" for figure in case.agreements(transform))
    print(f"| {case.name} | {case.kind} | {what} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
