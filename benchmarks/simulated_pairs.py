"""Draw random simulated pairs: T1ce, T1nce and what gadolinium adds.

python benchmarks/simulated_pairs.py LABEL_MAPS --cache heads --out simulated_pairs.png
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.simulator import PRESETS, SimulatedPair, render, sample_recipe
from clinica_t1nce.training.data.simulated import find_label_maps, load_anatomies

SLAB = 16
"""Voxels that are simulated around a slice: all that the slice needs, and quick."""
COLUMNS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("label_maps", type=Path, help="folder of *_dseg.nii.gz")
    parser.add_argument("--cache", type=Path, default=Path("heads"), help="of prepared label maps")
    parser.add_argument("--heads", type=int, default=6, help="label maps to draw from")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="varied")
    parser.add_argument("--out", type=Path, default=Path("simulated_pairs.png"))
    given = parser.parse_args()
    heads = load_anatomies(find_label_maps(given.label_maps)[: given.heads], given.cache)
    slices = []
    for number in range(given.pairs):
        rng = np.random.default_rng([given.seed, number])
        axis = number % 3
        pair = slab(heads[number % len(heads)], rng, axis, given.preset)
        volumes = (pair.t1ce, pair.t1nce, pair.enhancement)
        slices.append([middle(volume[0], axis) for volume in volumes])
    draw(slices, given.out)


def slab(anatomy: Anatomy, rng: np.random.Generator, axis: int, preset: str) -> SimulatedPair:
    """Simulate the slices around a random one that crosses the brain."""
    shape = list(anatomy.tissue.shape)
    centre = [(n - 1) / 2 for n in shape]
    centre[axis] += rng.uniform(-0.15, 0.15) * shape[axis]
    shape[axis] = SLAB
    recipe = sample_recipe(rng, anatomy, shape, preset)
    spacing = 3 * recipe.placement.bend_spacing
    recipe = replace(recipe.about(centre, bend_spacing=spacing), defacing=None, enhanced=True)
    return render(recipe, anatomy, shape)


def middle(volume: torch.Tensor, axis: int) -> np.ndarray:
    """Return the middle slice, seen as radiologists do, cut to what is not empty."""
    return np.flipud(volume.select(axis, SLAB // 2).numpy().T)


def draw(slices: list[list[np.ndarray]], out: Path) -> None:
    """Draw the slices, `COLUMNS` pairs a row, all on one scale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = -(-len(slices) // COLUMNS)
    figure, axes = plt.subplots(
        3 * rows, COLUMNS, figsize=(2.6 * COLUMNS, 7.2 * rows), squeeze=False, facecolor="black"
    )
    for panel in axes.flat:
        panel.axis("off")
    for number, (t1ce, t1nce, enhancement) in enumerate(slices):
        seen = t1nce[t1ce > 0.05]
        brightest = 1.7 * float(np.percentile(seen, 70)) if seen.size else 1.0
        row, column = divmod(number, COLUMNS)
        for part, image in enumerate((t1ce, t1nce, enhancement)):
            panel = axes[3 * row + part, column]
            panel.imshow(cut(image, t1ce), cmap="gray", vmin=0, vmax=brightest)
    figure.subplots_adjust(0, 0, 1, 1, 0.02, 0.02)
    figure.savefig(out, dpi=75, facecolor="black")
    plt.close(figure)


def cut(image: np.ndarray, t1ce: np.ndarray) -> np.ndarray:
    """Cut a slice to what the T1ce shows."""
    rows, columns = (np.flatnonzero((t1ce > 0.02).any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return image
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


if __name__ == "__main__":
    main()
