"""What was removed in native space, drawn over the raw image: see benchmarks/README.md.

``python benchmarks/overlay.py RAW T1NCE PICTURE``: RAW is a T1ce as it came from
the scanner, T1NCE what ``clinica run t1-synth-nce --output-space native`` made of it.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from clinica_t1nce.errors import ImageError
from clinica_t1nce.files import atomic, nifti
from clinica_t1nce.report.scales import choose_slices, gray_scale, ras_zooms
from clinica_t1nce.volumes.grids import to_ras
from clinica_t1nce.volumes.intensity import foreground

VISIBLE = 0.15
"""Share of the gray scale from which what was removed is drawn."""

PERCENTILES = (95.0, 99.9)
"""Of the difference, between which MRI-degad's map of vessels rises from 0 to 1."""


class Column(NamedTuple):
    """An image, and what is coloured over it: 0 to 1, masked where nothing is."""

    title: str
    image: np.ndarray
    layer: np.ma.MaskedArray | None = None


def draw(
    raw: nifti.Image,
    t1nce: nifti.Image,
    title: str = "",
    point: tuple[int, int, int] | None = None,
    vessels: nifti.Image | None = None,
) -> Figure:
    """Draw three planes, in radiological convention; by default those with most change.

    `point` counts voxels of the image turned to RAS: from the left, the back and below. With
    `vessels`, the mask beside the T1nce, that is drawn beside what MRI-degad's rule would find.
    """
    for image in [t1nce] if vessels is None else [t1nce, vessels]:
        if raw.data.shape != image.data.shape or not np.array_equal(raw.affine, image.affine):
            raise ImageError(f"{image.path}: not on the grid of {raw.path.name}")
    before, after = (to_ras(image.data, image.affine) for image in (raw, t1nce))
    removed = before - after
    head = foreground(before)
    point = choose_slices(removed, head) if point is None else point
    low, high = gray_scale(before[head], after[head])
    if vessels is None:
        columns = [
            Column("raw T1ce", before),
            Column("T1nce in native space", after),
            Column("removed, over the raw image", before, _strong(removed, high)),
        ]
    else:
        mask = to_ras(vessels.data, vessels.affine)
        columns = [
            Column("T1ce", before),
            Column("our mask of vessels", before, np.ma.masked_equal(mask, 0)),
            Column("MRI-degad's rule on the same difference", before, _by_percentiles(removed)),
        ]
    return _figure(columns, ras_zooms(raw.affine), point, (low, high), title)


def _strong(removed: np.ndarray, high: float) -> np.ma.MaskedArray:
    return np.ma.masked_less(removed, VISIBLE * high) / (0.7 * high)


def _by_percentiles(removed: np.ndarray) -> np.ma.MaskedArray:
    lower, upper = np.percentile(removed, PERCENTILES)
    return np.ma.masked_less_equal((removed - lower) / max(upper - lower, 1e-6), 0)


def _figure(
    columns: list[Column],
    zooms: np.ndarray,
    point: tuple[int, int, int],
    scale: tuple[float, float],
    title: str,
) -> Figure:
    extent = np.array(columns[0].image.shape) * zooms
    heights = (extent[1], extent[2], extent[2])
    widths = (extent[0], extent[0], extent[1])
    figure = Figure(figsize=(9.6, 0.5 + 3.2 * sum(heights) / max(widths)), facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(
        3, 3, gridspec_kw={"height_ratios": heights, "wspace": 0.02, "hspace": 0.02}
    )
    figure.subplots_adjust(left=0, right=1, bottom=0, top=0.93)
    figure.text(0.01, 0.975, title, color="white", va="center", weight="bold")
    for row, axis in zip(axes, (2, 1, 0), strict=True):
        across, down = np.delete(zooms, axis)
        for ax, column in zip(row, columns, strict=True):
            plane = _section(column.image, axis, point[axis])
            ax.imshow(plane, cmap="gray", vmin=scale[0], vmax=scale[1], aspect=down / across)
            if column.layer is not None:
                seen = _section(column.layer, axis, point[axis])
                ax.imshow(seen, cmap="autumn", vmin=0, vmax=1, alpha=0.85, aspect=down / across)
            ax.set_axis_off()
    for ax, column in zip(axes[0], columns, strict=True):
        ax.set_title(column.title, color="white", fontsize=9)
    return figure


def _section(volume: np.ndarray, axis: int, index: int) -> np.ndarray:
    return volume[(slice(None),) * axis + (index,)].T[::-1, ::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path)
    parser.add_argument("t1nce", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--title", default="")
    parser.add_argument("--slices", type=int, nargs=3, metavar=("X", "Y", "Z"))
    parser.add_argument("--vessels", type=Path, metavar="MASK", help="compare two maps of vessels")
    arguments = parser.parse_args()
    mask = None if arguments.vessels is None else nifti.load(arguments.vessels)
    pair = nifti.load(arguments.raw), nifti.load(arguments.t1nce)
    figure = draw(*pair, arguments.title, arguments.slices, mask)
    with atomic.temporary(arguments.picture) as part:
        figure.savefig(part, format="png", dpi=80, facecolor="black", metadata={"Software": None})


if __name__ == "__main__":
    main()
