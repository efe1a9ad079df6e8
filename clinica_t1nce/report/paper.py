"""The paper's figures of images, from anyone's data: examples, and maps of a tissue.

Figures 3 and 4 of Bottani et al., BMC Medical Imaging 2024, as functions of arrays. They neither
use nor change matplotlib's global state. Figure 5 is in :mod:`clinica_t1nce.report.plots`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clinica_t1nce.errors import ImageError
from clinica_t1nce.report import scales
from clinica_t1nce.report.plots import FONT, INK, words
from clinica_t1nce.volumes.grids import to_ras

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

REFERENCE = "T1nce"
"""Name of the acquired T1nce among the images of an example."""

_AXES = {"axial": 2, "coronal": 1, "sagittal": 0}
_SIDE = 1.7
_HEAD, _FOOT, _LEFT, _RIGHT, _GAP = 0.35, 0.1, 0.35, 0.85, 0.08


@dataclass(frozen=True, eq=False)
class Example:
    """One participant of a figure.

    Attributes
    ----------
    title
        Text beside the rows.
    images
        Volumes by the names of their columns, all on one grid; one is named ``"T1nce"``.
    affine
        Matrix, 4 x 4, voxel indices to mm, RAS+.
    brain
        Brain, a boolean mask of the same grid; None: where all images exceed 0.
    index
        Slice, along the RAS+ axis that the plane crosses; None: where the first image differs
        most from the T1nce.
    """

    title: str
    images: Mapping[str, np.ndarray]
    affine: np.ndarray
    brain: np.ndarray | None = None
    index: int | None = None


class _Row(NamedTuple):
    """Two rows of a figure: sections of the images, and of their differences to the T1nce."""

    title: str
    images: dict[str, np.ndarray]
    changes: dict[str, np.ndarray]
    gray: tuple[float, float]
    spread: np.ndarray
    aspect: float


def draw_examples(examples: Sequence[Example], plane: str = "axial") -> "Figure":
    """Draw Figure 3: T1ce, T1nce and synthetic images, and under them what differs.

    The T1nce is brought to the first image's gray scale, as in
    :func:`clinica_t1nce.report.write_participant_page`. Differences are image - T1nce in % of
    the T1nce's range in the brain (99.5th percentile minus minimum), in one colour scale.

    Parameters
    ----------
    examples
        Participants, one or more, with the same names of images; synthetic ones in the first one's
        units.
    plane
        Plane of the slices: ``"axial"``, ``"coronal"`` or ``"sagittal"``; radiological convention.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImageError
        If there is no example, an example lacks the T1nce, or shapes differ.
    """
    return _compose_examples(
        [_image_row(example, plane) for example in examples], "% of the range", 100
    )


def draw_tissue_maps(examples: Sequence[Example], plane: str = "axial") -> "Figure":
    """Draw Figure 4: probability maps of one tissue, and under them what differs.

    Parameters
    ----------
    examples
        Participants, as for :func:`draw_examples`; their images are maps of probability, 0 to 1,
        got from the T1ce, the T1nce and the synthetic images.
    plane
        Plane of the slices: ``"axial"``, ``"coronal"`` or ``"sagittal"``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImageError
        As for :func:`draw_examples`.
    """
    return _compose_examples([_map_row(example, plane) for example in examples], "probability", 1)


def _image_row(example: Example, plane: str) -> _Row:
    images, brain = _ras(example)
    first = next(iter(images))
    if first != REFERENCE:
        images[REFERENCE] = scales.on_scale_of(images[first], images[REFERENCE], brain)
    percent = scales.percent_change(images[first], images[REFERENCE], brain)
    share = 100 / _range(images[REFERENCE], brain)
    changes = {
        name: (volume - images[REFERENCE]) * share
        for name, volume in images.items()
        if name != REFERENCE
    }
    gray = scales.gray_scale(images[first][brain], images[REFERENCE][brain])
    box = scales.shown_box(images[first], brain)
    return _cut_slice(example, plane, images, changes, gray, percent, brain, box)


def _map_row(example: Example, plane: str) -> _Row:
    images, brain = _ras(example)
    changes = {n: v - images[REFERENCE] for n, v in images.items() if n != REFERENCE}
    first = next(iter(changes.values()), images[REFERENCE])
    box = scales.shown_box(np.max(list(images.values()), axis=0), brain)
    return _cut_slice(example, plane, images, changes, (0.0, 1.0), first, brain, box)


def _ras(example: Example) -> tuple[dict[str, np.ndarray], np.ndarray]:
    if REFERENCE not in example.images:
        raise ImageError(f"{example.title}: no image named {REFERENCE}; give the acquired one")
    arrays = {**example.images, **({} if example.brain is None else {"brain": example.brain})}
    if len({a.shape for a in arrays.values()}) > 1:
        raise ImageError(f"{example.title}: bring the images and the mask to one grid")
    images = {n: to_ras(v, example.affine).astype(np.float64) for n, v in example.images.items()}
    if example.brain is None:
        brain = np.all([v > 0 for v in images.values()], axis=0)
    else:
        brain = to_ras(example.brain.astype(bool), example.affine)
    if not brain.any():
        raise ImageError(f"{example.title}: the brain mask is empty; give another one")
    return images, brain


def _range(volume: np.ndarray, brain: np.ndarray) -> float:
    values = volume[brain]
    return float(np.percentile(values, 99.5) - values.min())


def _cut_slice(
    example: Example,
    plane: str,
    images: Mapping[str, np.ndarray],
    changes: Mapping[str, np.ndarray],
    gray: tuple[float, float],
    change: np.ndarray,
    brain: np.ndarray,
    box: tuple[slice, ...],
) -> _Row:
    """Take one slice of everything."""
    axis = _AXES[plane]
    index = scales.choose_slices(change, brain)[axis] if example.index is None else example.index
    window = tuple(slice(index, index + 1) if a == axis else side for a, side in enumerate(box))
    across, down = np.delete(scales.ras_zooms(example.affine), axis)

    def cut(volume: np.ndarray) -> np.ndarray:
        return scales.section(volume[window], axis, 0)

    inside = brain[window]
    return _Row(
        example.title,
        {name: cut(volume) for name, volume in images.items()},
        {name: cut(volume) for name, volume in changes.items()},
        gray,
        np.concatenate([np.zeros(1), *(volume[window][inside] for volume in changes.values())]),
        float(down / across),
    )


def _compose_examples(rows: Sequence[_Row], unit: str, most: float) -> "Figure":
    from matplotlib.figure import Figure

    if not rows:
        raise ImageError("no example to draw; give one participant at least")
    names = list(rows[0].images)
    if any(list(row.images) != names for row in rows):
        raise ImageError("the examples have not the same images; leave out what is not in all")
    heights = [_height(row) for row in rows for _ in range(2)]
    width = _LEFT + _SIDE * len(names) + _RIGHT
    height = _HEAD + sum(heights) + _GAP * len(rows) + _FOOT
    figure = Figure(figsize=(width, height), facecolor="white")
    spread = np.abs(np.concatenate([row.spread for row in rows]))
    limit = min(float(np.ceil(np.percentile(spread, 99) / most * 10) * most / 10) or most, most)
    colours = scales.colour_map(-limit)
    top = _HEAD
    for row, tall in zip(rows, heights[::2], strict=True):
        for i, name in enumerate(names):
            left = _LEFT + i * _SIDE
            boxes = [
                (left / width, 1 - (top + (k + 1) * tall) / height, _SIDE / width, tall / height)
                for k in (0, 1)
            ]
            _show(figure.add_axes(boxes[0]), row.images[name], "gray", row.gray, row.aspect)
            if name in row.changes:
                ax = figure.add_axes(boxes[1])
                drawn = _show(ax, row.changes[name], colours, (-limit, limit), row.aspect)
        figure.text(
            0.45 * _LEFT / width,
            1 - (top + tall) / height,
            row.title,
            rotation=90,
            ha="center",
            va="center",
            **words(9),
        )
        top += 2 * tall + _GAP
    for i, name in enumerate(names):
        middle = (_LEFT + (i + 0.5) * _SIDE) / width
        figure.text(middle, 1 - 0.6 * _HEAD / height, name, ha="center", **words(10))
    if len(names) > 1:
        bar_height = min(2.0, 0.6 * (height - _HEAD))
        place = (1 - 0.8 * _RIGHT / width, 0.5 - bar_height / height / 2, 0.1 / width)
        bar = figure.colorbar(drawn, cax=figure.add_axes((*place, bar_height / height)))
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=INK, labelsize=7, length=2, labelfontfamily=FONT)
        bar.set_label(f"image \N{MINUS SIGN} {REFERENCE}, {unit}", **words(8))
    return figure


def _height(row: _Row) -> float:
    n_rows, n_columns = next(iter(row.images.values())).shape
    return _SIDE * n_rows * row.aspect / n_columns


def _show(
    ax: "Axes",
    picture: np.ndarray,
    colours: "Colormap | str",
    limits: tuple[float, float],
    aspect: float,
) -> Any:
    ax.set_axis_off()
    return ax.imshow(
        picture,
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        interpolation="antialiased",
        aspect=aspect,
    )
