"""What bfloat16 below the finest level of the default network does to time and images.

    OMP_NUM_THREADS=1 python benchmarks/bfloat16.py CROP...

Convolutions of the coarser levels' residual blocks are computed in bfloat16, all else in float32.
Prints processor seconds of both ways, and the largest difference of the images in relation to the
range of the T1ce. For processors that have bfloat16; weights of a change network.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from clinica_t1nce.files import nifti
from clinica_t1nce.models.change_unet import ResidualBlock
from clinica_t1nce.synthesis.synthesizer import Synthesizer


def forward(block, x):
    """Stand for ResidualBlock.forward, which the windows of the finest level do not use."""
    with torch.autocast("cpu", torch.bfloat16):
        return block.conv2(F.relu(block.conv1(F.relu(x)))).float().add_(x)


def timed(synthesizer: Synthesizer, crop: nifti.Image) -> tuple[np.ndarray, float]:
    start = time.process_time()
    image = synthesizer(crop.data, crop.affine).image
    return image, time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crops", nargs="+", type=Path)
    parser.add_argument("--model", default="default")
    arguments = parser.parse_args()
    synthesizer = Synthesizer.load(arguments.model, "cpu")
    in_float32 = ResidualBlock.forward
    print("| crop | float32, s | bfloat16, s | largest difference / range |\n|---|---|---|---|")
    for path in arguments.crops:
        crop = nifti.load(path)
        ResidualBlock.forward = in_float32
        expected, before = timed(synthesizer, crop)
        ResidualBlock.forward = forward
        found, after = timed(synthesizer, crop)
        largest = np.abs(found - expected).max() / np.ptp(crop.data)
        print(f"| {path.name} | {before:.2f} | {after:.2f} | {largest:.1e} |", flush=True)


if __name__ == "__main__":
    main()
