"""The paper's figure of volumes (5), from anyone's data; and how figures are written.

None uses or changes matplotlib's global state.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clinica_t1nce.files.atomic import temporary

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONT = "DejaVu Sans"
INK = "#1b1f24"

_FAINT = "#59636e"
_COLOURS = ("#8c8c8c", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
_MOST_POINTS = 150


def draw_volume_differences(
    volumes: "pd.DataFrame",
    *,
    value: str = "vd",
    tissue: str = "tissue",
    image: str = "image",
    stratum: str | None = None,
) -> "Figure":
    """Draw Figure 5: how volumes differ from the T1nce's, as a box an image and tissue.

    Boxes hold the middle half, with the median; whiskers reach to 1.5 times their height at most.
    Every pair is a point, up to 150 of them; fewer than 5 get no box.

    Parameters
    ----------
    volumes
        Table with one row a pair, image and tissue; rows without a value are left out. Order of
        tissues, images and strata: as they come.
    value
        Column of volume differences, cm3 (T1nce - image, equation 3b).
    tissue, image
        Columns of names.
    stratum
        Column of groups of pairs, such as quality, one row of the figure each; None: one for all.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing, or no row has a value.
    """
    from matplotlib.figure import Figure

    columns = [value, tissue, image, *([stratum] if stratum else [])]
    missing = [name for name in columns if name not in volumes.columns]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}; there are {', '.join(volumes.columns)}")
    rows = volumes.dropna(subset=columns)
    if rows.empty:
        raise ValueError(f"no row has a value of {value}")
    tissues, images = (list(dict.fromkeys(rows[name])) for name in (tissue, image))
    strata = list(dict.fromkeys(rows[stratum])) if stratum else [None]
    size = (1.2 + (0.9 + 0.45 * len(images)) * len(tissues), 0.9 + 2.6 * len(strata))
    figure = Figure(figsize=size, facecolor="white", layout="constrained")
    axes = figure.subplots(len(strata), len(tissues), squeeze=False, sharey="row")
    for line, group in zip(axes, strata, strict=True):
        part = rows if group is None else rows[rows[stratum] == group]
        for ax, name in zip(line, tissues, strict=True):
            here = part[part[tissue] == name]
            _boxes(ax, [here.loc[here[image] == i, value].to_numpy(float) for i in images])
            ax.set_title(name if group is None else f"{name}, {group}", **words(11))
        line[0].set_ylabel("VD (cm³)", **words(10))
    handles = [_patch(_COLOURS[i % len(_COLOURS)]) for i in range(len(images))]
    figure.legend(
        handles,
        images,
        loc="outside lower center",
        ncols=min(len(images), 4),
        frameon=False,
        prop={"family": FONT, "size": 9},
        labelcolor=INK,
    )
    return figure


def save_figure(figure: "Figure", stem: str | Path) -> tuple[Path, Path]:
    """Write a figure as PNG (200 dpi) and SVG.

    The same figure gives the same bytes with the same matplotlib.

    Parameters
    ----------
    figure
        Figure of this module, or any other.
    stem
        Path without extension.

    Returns
    -------
    png, svg : pathlib.Path

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    paths = [Path(f"{stem}.{kind}") for kind in ("png", "svg")]
    # What identifies the elements of an SVG is random otherwise.
    with rc_context({"svg.hashsalt": "clinica-t1nce", "svg.fonttype": "path"}):
        for path, unknown in zip(paths, ("Software", "Date"), strict=True):
            FigureCanvasAgg(figure)
            with temporary(path) as part:
                figure.savefig(
                    part,
                    format=path.suffix[1:],
                    dpi=200,
                    facecolor="white",
                    metadata={unknown: None},
                )
    return paths[0], paths[1]


def words(size: float) -> dict[str, Any]:
    """Give font and colour of a text, `size` points tall."""
    return {"fontsize": size, "family": FONT, "color": INK}


def _boxes(ax: "Axes", groups: Sequence[np.ndarray]) -> None:
    ax.axhline(0, color=_FAINT, linewidth=0.8, zorder=0)
    for i, values in enumerate(groups):
        colour = _COLOURS[i % len(_COLOURS)]
        if len(values) >= 5:
            ax.boxplot(
                [values],
                positions=[i],
                widths=0.6,
                showfliers=len(values) > _MOST_POINTS,
                patch_artist=True,
                boxprops={"facecolor": colour, "alpha": 0.45, "edgecolor": INK},
                medianprops={"color": INK, "linewidth": 1.6},
                whiskerprops={"color": INK},
                capprops={"color": INK},
                flierprops={"markersize": 3, "markeredgecolor": colour},
            )
        if 0 < len(values) <= _MOST_POINTS:
            # Spread evenly by rank within neighbours rather than at random: the same each time.
            offsets = 0.18 * np.sin(2.4 * np.argsort(np.argsort(values)))
            size = 9 if len(values) >= 5 else 30
            ax.scatter(i + offsets, values, s=size, color=colour, edgecolor="white", linewidth=0.4)
    ax.set_xticks([])
    ax.set_xlim(-0.6, len(groups) - 0.4)
    ax.tick_params(axis="y", colors=INK, labelsize=8, labelfontfamily=FONT)
    for side in ("top", "right", "bottom"):
        ax.spines[side].set_visible(False)


def _patch(colour: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, alpha=0.7, edgecolor=INK)
