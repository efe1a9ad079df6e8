"""Pictures of what the generator makes of a few fixed pairs."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clinica_t1nce.files import atomic

_INCH = 2.2


class Sample(NamedTuple):
    """One pair and what the generator made of it; volumes of one shape, RAS."""

    t1ce: np.ndarray
    synthetic: np.ndarray
    t1nce: np.ndarray


def draw(path: Path, samples: Sequence[Sample], title: str) -> None:
    """Draw one row a pair: T1ce, synthetic T1nce, real T1nce, and by how much the two differ.

    The T1ce has a gray scale of its own: where each image is scaled by itself, as in the paper, a
    bright vessel makes the rest of the T1ce dark.

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
    for axes, sample in zip(rows, samples, strict=True):
        t1ce, synthetic, t1nce = (_middle(volume) for volume in sample)
        white = _brightest(t1nce)
        for ax, name, plane, low, high in (
            (axes[0], "T1ce", t1ce, 0, _brightest(t1ce)),
            (axes[1], "synthetic T1nce", synthetic, 0, white),
            (axes[2], "T1nce", t1nce, 0, white),
            (axes[3], "synthetic - T1nce", synthetic - t1nce, -white / 2, white / 2),
        ):
            colours = "gray" if low == 0 else "RdBu_r"
            ax.imshow(plane, origin="lower", cmap=colours, vmin=low, vmax=high)
            ax.set_axis_off()
            ax.set_title(name, color="white", fontsize=8)
    with atomic.temporary(path) as part:
        # Without the version of matplotlib: the same picture gives the same bytes.
        figure.savefig(part, format="png", dpi=100, metadata={"Software": None})


def _middle(volume: np.ndarray) -> np.ndarray:
    """Take the axial plane half-way up, anterior to the top."""
    return volume[:, :, volume.shape[2] // 2].T


def _brightest(plane: np.ndarray) -> float:
    return float(np.percentile(plane, 99.5)) or 1.0
