"""Pictures of a training: its real pairs, and what the generator makes of a few fixed ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from clinica_t1nce.files import atomic
from clinica_t1nce.training.data.fitted_pairs import FittedPair

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SAMPLE_INCH = 2.2
_SHEET_COLUMNS, _SHEET_INCH, _SHEET_TITLE = 4, 1.6, 0.35


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
        Pairs, at least one.
    title
        Title above all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    size = (4 * _SAMPLE_INCH, len(samples) * _SAMPLE_INCH + 0.5)
    figure = _black_figure(*size)
    figure.suptitle(title, color="white", fontsize=9)
    rows = figure.subplots(len(samples), 4, squeeze=False)
    for axes, sample in zip(rows, samples, strict=True):
        t1ce, synthetic, t1nce = (_middle_plane(volume) for volume in sample)
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
    _save(figure, path)


def _middle_plane(volume: np.ndarray) -> np.ndarray:
    """Take the axial plane half-way up, anterior to the top."""
    return volume[:, :, volume.shape[2] // 2].T


def _brightest(plane: np.ndarray) -> float:
    return float(np.percentile(plane, 99.5)) or 1.0


def draw_contact_sheet(
    path: Path, pairs: Mapping[str, FittedPair], problems: Mapping[str, str]
) -> None:
    """Draw the middle plane of each pair: T1ce, fitted T1nce, and the difference of the two.

    Parameters
    ----------
    path
        PNG to write.
    pairs
        Prepared pairs by name.
    problems
        Reasons why other pairs are left out, by name; written below the pictures.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    n_rows = max(-(-len(pairs) // _SHEET_COLUMNS), 1)
    reasons = [f"left out: {name}: {problem}"[:150] for name, problem in problems.items()]
    height = n_rows * (_SHEET_INCH + _SHEET_TITLE) + 0.2 * len(reasons) + 0.3
    figure = _black_figure(_SHEET_COLUMNS * 3 * _SHEET_INCH, height)
    axes = figure.subplots(n_rows, _SHEET_COLUMNS * 3, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for number, (name, pair) in enumerate(pairs.items()):
        row, column = divmod(number, _SHEET_COLUMNS)
        planes = _planes(pair)
        facts = pair.facts
        title = f"{name}\nenhancing {100 * facts.enhancing:.1f} %, deviation {facts.deviation:.3f}"
        for n, (plane, low, colours) in enumerate(
            zip(planes, (0, 0, -0.75), ("gray", "gray", "RdBu_r"), strict=True)
        ):
            ax = axes[row, 3 * column + n]
            high = 1.5 if low == 0 else 0.75
            ax.imshow(plane.T, origin="lower", cmap=colours, vmin=low, vmax=high)
            if n == 1:
                ax.set_title(title, color="white", fontsize=6)
    if reasons:
        figure.supxlabel("\n".join(reasons), color="white", fontsize=6)
    _save(figure, path)


def _planes(pair: FittedPair) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take the axial plane that holds most tissue."""
    height = int(pair.volumes[2].sum(axis=(0, 1), dtype=np.float32).argmax())
    t1ce, t1nce, mask = (volume[:, :, height].astype(np.float32) for volume in pair.volumes)
    return t1ce, t1nce, np.where(mask > 0, t1ce - t1nce, 0)


def _black_figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="black", layout="constrained")


def _save(figure: "Figure", path: Path) -> None:
    with atomic.temporary(path) as part:
        # Without the version of matplotlib: the same picture gives the same bytes.
        figure.savefig(part, format="png", dpi=100, metadata={"Software": None})
