"""All real pairs of a training in one picture, to be looked at before hours are spent."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from clinica_t1nce.files import atomic
from clinica_t1nce.training.data.fitted_pairs import PreparedPair

_COLUMNS = 4
_INCH = 1.6
_TITLE = 0.35


def draw_contact_sheet(
    path: Path, pairs: Mapping[str, PreparedPair], problems: Mapping[str, str]
) -> None:
    """Draw the middle plane of each pair: T1ce, fitted T1nce, and the difference of the two.

    Parameters
    ----------
    path
        PNG to write.
    pairs
        Prepared pairs by name.
    problems
        Why other pairs are left out, by name: told below the pictures.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from matplotlib.figure import Figure

    n_rows = max(-(-len(pairs) // _COLUMNS), 1)
    told = [f"left out: {name}: {problem}"[:150] for name, problem in problems.items()]
    height = n_rows * (_INCH + _TITLE) + 0.2 * len(told) + 0.3
    figure = Figure(figsize=(_COLUMNS * 3 * _INCH, height), facecolor="black", layout="constrained")
    axes = figure.subplots(n_rows, _COLUMNS * 3, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for number, (name, pair) in enumerate(pairs.items()):
        row, column = divmod(number, _COLUMNS)
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
    if told:
        figure.supxlabel("\n".join(told), color="white", fontsize=6)
    with atomic.temporary(path) as part:
        # Without the version of matplotlib: the same picture gives the same bytes.
        figure.savefig(part, format="png", dpi=100, metadata={"Software": None})


def _planes(pair: PreparedPair) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take the axial plane that holds most tissue."""
    height = int(pair.volumes[2].sum(axis=(0, 1), dtype=np.float32).argmax())
    t1ce, t1nce, mask = (volume[:, :, height].astype(np.float32) for volume in pair.volumes)
    return t1ce, t1nce, np.where(mask > 0, t1ce - t1nce, 0)
