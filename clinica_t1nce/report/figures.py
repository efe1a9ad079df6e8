"""One picture a participant: T1ce, synthetic T1nce, real T1nce, and what was removed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clinica_t1nce.errors import ImageError
from clinica_t1nce.files.atomic import temporary
from clinica_t1nce.report.scales import (
    NOTE,
    choose_slices,
    colour_map,
    colour_scale,
    gray_scale,
    on_scale_of,
    percent_change,
    ras_zooms,
    section,
    shown_box,
)
from clinica_t1nce.volumes.grids import to_ras

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_FONT = "DejaVu Sans"
_INK, _FAINT, _PAPER = "#f2f2f2", "#a0a0a0", "#000000"
_COLUMN = 2.7
_HEAD, _FOOT, _MARGIN = 0.95, 0.42, 0.95


class _Plane(NamedTuple):
    axis: int
    edges: tuple[str, str]


_PLANES = (_Plane(2, ("R", "L")), _Plane(1, ("R", "L")), _Plane(0, ("A", "P")))


class _Column(NamedTuple):
    title: str
    subtitle: str
    volume: np.ndarray
    cmap: "Colormap | str"
    limits: tuple[float, float]


class _Layout(NamedTuple):
    """Sizes in inches; rows from the top."""

    width: float
    height: float
    rows: tuple[float, ...]

    def box(
        self, left: float, top: float, width: float, height: float
    ) -> tuple[float, float, float, float]:
        """Turn inches from the upper left corner into matplotlib's fractions."""
        return (
            left / self.width,
            1 - (top + height) / self.height,
            width / self.width,
            height / self.height,
        )


def draw_participant(
    path: str | Path,
    t1ce: np.ndarray,
    synthetic: np.ndarray,
    t1nce: np.ndarray | None = None,
    *,
    affine: np.ndarray | None = None,
    brain: np.ndarray | None = None,
    point: tuple[int, int, int] | None = None,
    title: str = "",
) -> Path:
    """Draw the images of one participant side by side, in three planes, as a PNG.

    Columns: T1ce, synthetic T1nce, T1nce if given, T1ce - synthetic. Rows: axial, coronal,
    sagittal, in radiological convention (the patient's right on the left). The images share one
    gray scale; a real T1nce, which has its own receive gain, is first brought to the T1ce's by
    the robust linear fit of :func:`clinica_t1nce.evaluation.recovery.robust_fit`. The difference is
    in % of the synthetic image's range in the brain (99.5th percentile minus minimum).

    The same arguments give the same bytes on the same matplotlib.

    Parameters
    ----------
    path
        The PNG. Its folder is made; replaced if it exists.
    t1ce, synthetic, t1nce
        Volumes on one grid; T1ce and synthetic in the same units.
    affine
        Matrix, 4 x 4, voxel indices to mm, RAS+: tells left from right and how large a voxel is.
        None: 1 mm, axes that run right, anterior, superior, as in the crops of t1-linear.
    brain
        Brain, a boolean mask, for gray scale, range and choice of slices; None: where T1ce and
        synthetic exceed 0.
    point
        Voxel of `t1ce` through which the three slices go; None: in each direction the slice
        where most signal was removed.
    title
        Heading of the picture, such as participant, session and model.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    ImageError
        If shapes differ, or the brain is empty.
    OutputError
        If `path` cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    path = Path(path)
    figure = draw_figure(
        t1ce, synthetic, t1nce, affine=affine, brain=brain, point=point, title=title
    )
    FigureCanvasAgg(figure)
    with temporary(path) as part:
        # Without metadata the bytes do not name the version of matplotlib.
        figure.savefig(part, format="png", dpi=110, facecolor=_PAPER, metadata={"Software": None})
    return path


def draw_figure(
    t1ce: np.ndarray,
    synthetic: np.ndarray,
    t1nce: np.ndarray | None = None,
    *,
    affine: np.ndarray | None = None,
    brain: np.ndarray | None = None,
    point: tuple[int, int, int] | None = None,
    title: str = "",
) -> "Figure":
    """Make the figure of :func:`draw_participant`, for notebooks and reports.

    matplotlib's global state is neither used nor changed.

    Parameters
    ----------
    t1ce, synthetic, t1nce, affine, brain, point, title
        Arguments of :func:`draw_participant`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImageError
        If shapes differ, a volume is not 3-D, or the mask is empty.
    """
    shapes = {v.shape for v in (t1ce, synthetic, t1nce, brain) if v is not None}
    if len(shapes) > 1 or t1ce.ndim != 3:
        raise ImageError(f"shapes {sorted(shapes)}: bring the volumes to one 3-D grid")
    brain = (t1ce > 0) & (synthetic > 0) if brain is None else brain
    if not brain.any():
        raise ImageError("the brain mask is empty; give another one")
    affine = np.eye(4) if affine is None else affine
    zooms = ras_zooms(affine)
    if t1nce is not None:
        t1nce = on_scale_of(t1ce, t1nce, brain)
    if point is not None:
        marker = np.zeros(t1ce.shape, bool)
        marker[point] = True
        point = _first_voxel(to_ras(marker, affine))
    t1ce, synthetic, brain = (to_ras(v, affine) for v in (t1ce, synthetic, brain))
    change = percent_change(t1ce, synthetic, brain)
    gray, ends = gray_scale(t1ce[brain], synthetic[brain]), colour_scale(change[brain])
    columns = [
        _Column("T1ce", "with gadolinium", t1ce, "gray", gray),
        _Column("T1nce", "synthetic", synthetic, "gray", gray),
        _Column("Difference", "T1ce \N{MINUS SIGN} synthetic", change, colour_map(ends[0]), ends),
    ]
    if t1nce is not None:
        columns.insert(2, _Column("T1nce", "acquired", to_ras(t1nce, affine), "gray", gray))
    point = choose_slices(change, brain) if point is None else point
    return _compose_sections(columns, shown_box(t1ce, brain), point, zooms, title)


def _first_voxel(marker: np.ndarray) -> tuple[int, int, int]:
    x, y, z = np.argwhere(marker)[0]
    return int(x), int(y), int(z)


def _compose_sections(
    columns: list[_Column],
    shown: tuple[slice, ...],
    point: tuple[int, int, int],
    zooms: np.ndarray,
    title: str,
) -> "Figure":
    from matplotlib.figure import Figure

    extent = np.array([side.stop - side.start for side in shown]) * zooms
    scale = _COLUMN / max(extent[0], extent[1])
    rows = tuple(float(extent[1 if plane.axis == 2 else 2] * scale) for plane in _PLANES)
    layout = _Layout(len(columns) * _COLUMN + _MARGIN, sum(rows) + _HEAD + _FOOT, rows)
    figure = Figure(figsize=(layout.width, layout.height), facecolor=_PAPER)
    for i, column in enumerate(columns):
        top = _HEAD
        for plane, height in zip(_PLANES, rows, strict=True):
            ax = figure.add_axes(layout.box(i * _COLUMN, top, _COLUMN, height))
            drawn = _draw_section(ax, column, plane, shown, point, zooms)
            if i == 0:
                _label_edges(ax, plane)
            top += height
    _write_headings(figure, layout, columns, title)
    _draw_colour_bar(figure, layout, drawn)
    return figure


def _draw_section(
    ax: "Axes",
    column: _Column,
    plane: _Plane,
    shown: tuple[slice, ...],
    point: tuple[int, int, int],
    zooms: np.ndarray,
) -> "AxesImage":
    window = tuple(
        slice(point[axis], point[axis] + 1) if axis == plane.axis else side
        for axis, side in enumerate(shown)
    )
    image = section(column.volume[window], plane.axis, 0)
    across, down = np.delete(zooms, plane.axis)
    ax.set_axis_off()
    return ax.imshow(
        image,
        cmap=column.cmap,
        vmin=column.limits[0],
        vmax=column.limits[1],
        interpolation="bicubic",
        origin="upper",
        aspect=down / across,
    )


def _label_edges(ax: "Axes", plane: _Plane) -> None:
    for letter, x, side in zip(plane.edges, (0.02, 0.98), ("left", "right"), strict=True):
        ax.text(
            x,
            0.97,
            letter,
            transform=ax.transAxes,
            ha=side,
            va="top",
            color=_FAINT,
            fontsize=9,
            family=_FONT,
        )


def _write_headings(figure: "Figure", layout: _Layout, columns: list[_Column], title: str) -> None:
    def write(x: float, y: float, text: str, **style: Any) -> None:
        style = {"color": _INK, "family": _FONT, "va": "baseline", **style}
        figure.text(x / layout.width, 1 - y / layout.height, text, **style)

    write(0.12, 0.3, title, fontsize=12, weight="bold")
    for i, column in enumerate(columns):
        middle = (i + 0.5) * _COLUMN
        write(middle, 0.66, column.title, ha="center", fontsize=12)
        write(middle, 0.85, column.subtitle, ha="center", fontsize=8.5, color=_FAINT)
    write(0.12, layout.height - 0.16, NOTE, fontsize=8.5, color=_FAINT)


def _draw_colour_bar(figure: "Figure", layout: _Layout, drawn: "AxesImage") -> None:
    length = 0.8 * layout.rows[1]
    top = _HEAD + layout.rows[0] + 0.1 * layout.rows[1]
    ax = figure.add_axes(layout.box(layout.width - _MARGIN + 0.08, top, 0.13, length))
    bar = figure.colorbar(drawn, cax=ax, extend="max" if drawn.get_clim()[0] == 0 else "both")
    bar.outline.set_visible(False)
    ax.tick_params(colors=_INK, labelsize=8, length=2, labelfontfamily=_FONT)
    bar.set_label("% of the range", color=_INK, fontsize=8.5, family=_FONT)
