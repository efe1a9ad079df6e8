"""What was removed in native space, drawn over the raw image: see benchmarks/README.md.

``python benchmarks/overlay.py RAW T1NCE PICTURE``: RAW is a T1ce as it came from
the scanner, T1NCE what ``clinica run t1-synth-nce --output-space native`` made of it.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from clinica_t1nce import images
from clinica_t1nce.blending import foreground
from clinica_t1nce.errors import ImageError
from clinica_t1nce.grids import to_ras
from clinica_t1nce.report.scales import choose_slices, gray_scale, ras_zooms

COLUMNS = ("raw T1ce", "T1nce in native space", "removed, over the raw image")
VISIBLE = 0.15
"""Share of the gray scale from which what was removed is drawn."""


def draw(
    raw: images.Image,
    t1nce: images.Image,
    title: str = "",
    point: tuple[int, int, int] | None = None,
) -> Figure:
    """Draw three planes, in radiological convention; by default those with most change.

    `point` counts voxels of the image turned to RAS: from the left, the back and below.
    """
    if raw.data.shape != t1nce.data.shape or not np.array_equal(raw.affine, t1nce.affine):
        raise ImageError(f"{t1nce.path}: not on the grid of {raw.path.name}")
    before, after = (to_ras(image.data, image.affine) for image in (raw, t1nce))
    zooms = ras_zooms(raw.affine)
    removed = before - after
    head = foreground(before)
    point = choose_slices(removed, head) if point is None else point
    low, high = gray_scale(before[head], after[head])
    extent = np.array(before.shape) * zooms
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
        gray = {"cmap": "gray", "vmin": low, "vmax": high, "aspect": down / across}
        planes = [_section(volume, axis, point[axis]) for volume in (before, after, removed)]
        row[0].imshow(planes[0], **gray)
        row[1].imshow(planes[1], **gray)
        row[2].imshow(planes[0], **gray)
        seen = np.ma.masked_less(planes[2], VISIBLE * high)
        row[2].imshow(
            seen, cmap="autumn", vmin=0, vmax=0.7 * high, alpha=0.85, aspect=down / across
        )
        for ax in row:
            ax.set_axis_off()
    for ax, text in zip(axes[0], COLUMNS, strict=True):
        ax.set_title(text, color="white", fontsize=9)
    return figure


def _section(volume: np.ndarray, axis: int, index: int) -> np.ndarray:
    return np.take(volume, index, axis=axis).T[::-1, ::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path)
    parser.add_argument("t1nce", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--title", default="")
    parser.add_argument("--slices", type=int, nargs=3, metavar=("X", "Y", "Z"))
    arguments = parser.parse_args()
    pair = images.load(arguments.raw), images.load(arguments.t1nce)
    figure = draw(*pair, arguments.title, arguments.slices)
    with images.temporary(arguments.picture) as part:
        figure.savefig(part, format="png", dpi=80, facecolor="black", metadata={"Software": None})


if __name__ == "__main__":
    main()
