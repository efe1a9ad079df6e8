"""How fast pairs are simulated, and where the time goes.

python benchmarks/simulator.py LABEL_MAPS --cache heads --side 64 --pairs 50
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from clinica_t1nce.simulation import simulator
from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.synthesis.synthesizer import find_device
from clinica_t1nce.training.data.simulated import find_label_maps, load_anatomies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("label_maps", type=Path, help="folder of *_dseg.nii.gz")
    parser.add_argument("--cache", type=Path, default=Path("heads"), help="of prepared label maps")
    parser.add_argument("--heads", type=int, default=4, help="label maps to draw from")
    parser.add_argument("--side", type=int, default=64, help="of the cubic patches in voxels")
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch on a CPU")
    parser.add_argument("--parts", action="store_true", help="time each effect as well (on a CPU)")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = find_device(given.device)
    heads = load_anatomies(find_label_maps(given.label_maps)[: given.heads], given.cache)
    shape = (given.side,) * 3
    measure(heads, shape, range(10**6, 10**6 + 3), device)
    wall, cpu = measure(heads, shape, range(given.pairs), device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{given.threads} CPU threads"
    print(f"{given.pairs} pairs of {given.side}^3, {device.type}, {name}:")
    print(f"{1000 * wall:.1f} ms a pair ({1 / wall:.1f} pairs/s), {1000 * cpu:.1f} ms of CPU time")
    if given.parts:
        print_parts(heads, shape, given.pairs)


def measure(
    heads: list[Anatomy], shape: tuple[int, ...], seeds: range, device: torch.device
) -> tuple[float, float]:
    """Return seconds of wall and of CPU time for one pair."""
    wall, cpu = time.perf_counter(), time.process_time()
    for seed in seeds:
        pair = simulator.simulate(heads, seed, shape, device)
        # Wait for the device.
        float(pair.t1ce[0, 0, 0, 0])
    return (time.perf_counter() - wall) / len(seeds), (time.process_time() - cpu) / len(seeds)


def print_parts(heads: list[Anatomy], shape: tuple[int, ...], pairs: int) -> None:
    """Print how much CPU time each part takes of an average pair, and how often it is there."""
    spent: dict[str, list[float]] = defaultdict(list)
    for number in range(pairs):
        rng = np.random.default_rng(number)
        anatomy = heads[number % len(heads)]
        recipe = simulator.sample_recipe(rng, anatomy, shape)
        start = time.process_time()
        scene = recipe.placement.place(anatomy, shape)
        spent["Placement"].append(time.process_time() - start)
        scene.image = recipe.contrast.image(scene.tissue)
        for effect in recipe.effects:
            start = time.process_time()
            effect(scene)
            spent[type(effect).__name__].append(time.process_time() - start)
        start = time.process_time()
        enhancement = recipe.contrast.enhancement(scene.image, scene.enhancement)
        spent["Contrast.enhancement"].append(time.process_time() - start)
        stored = torch.stack([scene.image, enhancement])
        for step in recipe.acquisition.steps:
            start = time.process_time()
            stored = step(stored)
            spent[type(step).__name__].append(time.process_time() - start)
    print(f"{'part':24} {'ms a pair':>9} {'ms each':>8} {'a pair':>6}")
    for name, times in sorted(spent.items(), key=lambda item: -sum(item[1])):
        total, each = 1000 * sum(times) / pairs, 1000 * sum(times) / len(times)
        print(f"{name:24} {total:9.2f} {each:8.2f} {len(times) / pairs:6.2f}")


if __name__ == "__main__":
    main()
