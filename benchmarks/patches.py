"""What weights leave of the enhancement of simulated patches: a comparison without real pairs.

    python benchmarks/patches.py LABEL_MAPS --cache heads --model default --model my.safetensors

For weights that predict quantiles of the change on patches (`change-unet`). Printed for each
quantile that could be removed: the absolute error inside the skull, relative to the enhancement
there, averaged over the patches that enhance; and what the median takes from those that do not, in
units of white matter. Detector and edges are left out.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from clinica_t1nce.errors import WeightsError
from clinica_t1nce.models.storage import load_generator
from clinica_t1nce.simulation.simulator import SimulatedPair, simulate
from clinica_t1nce.training.data.numbered import seed_of
from clinica_t1nce.training.data.simulated import find_label_maps, load_anatomies

QUANTILES = (0.5, 0.55, 0.6, 0.65)
FAINT = 2e-3
"""Mean enhancement, in units of white matter, below which a patch counts as one without."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("label_maps", type=Path, help="folder of *_dseg.nii.gz")
    parser.add_argument("--cache", type=Path, default=Path("heads"), help="of prepared label maps")
    parser.add_argument("--model", action="append", required=True, metavar="NAME|FILE")
    parser.add_argument("--patches", type=int, default=48)
    parser.add_argument("--side", type=int, default=96, help="of the patches in voxels")
    parser.add_argument("--seed", type=int, default=987654, help="one that nothing trained with")
    given = parser.parse_args()
    heads = load_anatomies(find_label_maps(given.label_maps), given.cache)
    networks = {name: load(name) for name in given.model}
    left: dict[str, list[np.ndarray]] = {name: [] for name in networks}
    taken: dict[str, list[float]] = {name: [] for name in networks}
    for pair in draw(heads, given.seed, given.patches, given.side):
        truth, inside = (pair.t1ce - pair.t1nce)[0], pair.intracranial[0] & (pair.mask[0] > 0)
        for name, network in networks.items():
            if float(truth[inside].mean()) < FAINT:
                taken[name].append(float(changes(network, pair.t1ce, (0.5,))[0][inside].mean()))
            else:
                errors = (changes(network, pair.t1ce, QUANTILES) - truth).abs()[:, inside].sum(1)
                left[name].append((errors / truth[inside].abs().sum()).numpy())
    print(f"| model | {' | '.join(f'left at {q}' for q in QUANTILES)} | taken from T1nce |")
    print("|---|" + "---:|" * (len(QUANTILES) + 1))
    for name in networks:
        means = " | ".join(f"{mean:.3f}" for mean in np.mean(left[name], axis=0))
        print(f"| {name} | {means} | {np.mean(taken[name] or [np.nan]):.4f} |")
    first = given.model[0]
    print(f"{len(left[first])} patches with enhancement, {len(taken[first])} without")


def load(name: str) -> torch.nn.Module:
    """Load weights, and refuse those of a network that gives no quantiles of the change."""
    network, card = load_generator(name)
    if card.output != "change" or card.grid is not None:
        raise WeightsError(f"{name}: predicts no change on patches; give weights of change-unet")
    return network


def draw(heads: list, seed: int, count: int, side: int) -> Iterator[SimulatedPair]:
    """Simulate patches that show some of the inside of the skull."""
    for number in range(count):
        pair = simulate(heads, seed_of(seed, number), (side,) * 3)
        if bool((pair.intracranial & (pair.mask > 0)).any()):
            yield pair


@torch.inference_mode()
def changes(network: torch.nn.Module, t1ce: torch.Tensor, quantiles: tuple[float, ...]):
    """Predict what to take away, Q x D x H x W, averaged over the image and its mirror image."""
    x = t1ce[None].contiguous(memory_format=torch.channels_last_3d)
    both = (network(x) + network(x.flip(2)).flip(2)) / 2
    bounded = both.clamp(min=0).minimum(x.clamp(min=0))[0]
    places = np.interp(quantiles, network.quantiles, range(len(bounded)))
    above = (min(int(place) + 1, len(bounded) - 1) for place in places)
    return torch.stack(
        [bounded[int(p)].lerp(bounded[n], p % 1) for p, n in zip(places, above, strict=True)]
    )


if __name__ == "__main__":
    main()
