"""Pictures of what the generator makes of a few fixed pairs."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clinica_t1nce import images

_INCH = 2.2


class Sample(NamedTuple):
    """One pair and what the generator made of it; volumes of one shape, RAS."""

    t1ce: np.ndarray
    synthetic: np.ndarray
    t1nce: np.ndarray


def draw(path: Path, samples: Sequence[Sample], title: str) -> None:
    """Draw one row a pair: T1ce, synthetic T1nce, real T1nce, and what was removed.

    Parameters
    ----------
    path
        PNG to write.
    samples
        At least one.
    title
        Above all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from matplotlib.figure import Figure

    size = (4 * _INCH, len(samples) * _INCH + 0.5)
    figure = Figure(figsize=size, facecolor="black", layout="constrained")
    figure.suptitle(title, color="white", fontsize=9)
    rows = figure.subplots(len(samples), 4, squeeze=False)
    names = ("T1ce", "synthetic T1nce", "T1nce", "removed")
    for axes, sample in zip(rows, samples, strict=True):
        planes = [_middle(volume) for volume in sample]
        brightest = float(np.percentile(planes[0], 99.5)) or 1.0
        for ax, name, plane in zip(axes, names, [*planes, planes[0] - planes[1]], strict=True):
            change = name == "removed"
            ax.imshow(
                plane,
                origin="lower",
                cmap="RdBu_r" if change else "gray",
                vmin=-brightest / 2 if change else 0,
                vmax=brightest / 2 if change else brightest,
            )
            ax.set_axis_off()
            ax.set_title(name, color="white", fontsize=8)
    with images.temporary(path) as part:
        # Without the version of matplotlib: the same picture gives the same bytes.
        figure.savefig(part, format="png", dpi=100, metadata={"Software": None})


def _middle(volume: np.ndarray) -> np.ndarray:
    """Take the axial plane half-way up, anterior to the top."""
    return volume[:, :, volume.shape[2] // 2].T
