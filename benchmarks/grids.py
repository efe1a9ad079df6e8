"""What the paper's grid costs, and whether crops follow their affines: see benchmarks/README.md.

``python benchmarks/grids.py CAPS BIDS`` prints Markdown.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from clinica_t1nce.caps import names, query
from clinica_t1nce.evaluation.recovery import gradient_energy
from clinica_t1nce.translation import spaces
from clinica_t1nce.volumes import grids, intensity

PAPER_GRID = (128, 128, 128)


def sharpness(volume: np.ndarray) -> float:
    """Give the share of gradient energy in the head that the paper's grid, and back, leaves."""
    x = torch.from_numpy(volume)[None, None]
    back = grids.resample(grids.resample(x, PAPER_GRID), volume.shape)[0, 0].numpy()
    head = intensity.foreground(volume)
    return gradient_energy(back, head) / gradient_energy(volume, head)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("caps", type=Path)
    parser.add_argument("bids", type=Path)
    arguments = parser.parse_args()
    print("| image | sharpness | agreement |\n|---|---:|---:|")
    for visit, crop in query.find_crops(arguments.caps):
        image = spaces.read_crop(crop)
        raw = spaces.read_raw(image, names.raw_path(crop, arguments.bids), names.affine_path(crop))
        figures = f"{sharpness(image.data):.2f} | {raw.agreement:.2f}"
        print(f"| {visit} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
