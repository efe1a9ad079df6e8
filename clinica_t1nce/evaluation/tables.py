"""Tables of all pairs, those of the paper in its layout, as Markdown and LaTeX."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clinica_t1nce.evaluation.agreement import FLOOR
from clinica_t1nce.evaluation.frames import (
    ALL,
    BASELINE,
    RECOVERY,
    SIMILARITY,
    SMOOTH,
    TEST_GOOD,
    TEST_LOW,
    by_set,
)
from clinica_t1nce.evaluation.statistics import MIN_PAIRS

if TYPE_CHECKING:
    import pandas as pd

SETS = {ALL: "All", TEST_GOOD: "Test_good", TEST_LOW: "Test_low"}

TITLES = {
    "mae": "MAE (%)",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "pcc": "PCC",
    "nmi": "NMI",
    "blur": "Blur",
    "total": "Total",
    "attainable": "Attainable",
    "left": "Left",
    "bias": "Bias",
    "bias_csf": "Bias CSF",
    "bias_gm": "Bias GM",
    "bias_wm": "Bias WM",
    "error": "Error (%)",
    "share": "Share",
    "inside": "Inside",
    "outside": "Outside",
    "sharpness": "Sharpness",
}
_ADDITIONS = {
    SMOOTH: " after a smooth fit",
    "": "",
    "_matched": ", matched",
    "_authors": ", as the authors' code",
}
_DIGITS = {"ssim": 3, "dice": 3, "pcc": 3, "nmi": 3, "blur": 3, "total": 3, "left": 3, "bias": 3}
"""Digits after the point, where they are not two."""

_SMOOTH_NOTE = (
    "The T1nce is fitted to the T1ce (another contrast and receive field, enhancement left out), "
    "and images are taken as they are. Blur (0 sharp, 1 blurred) needs no reference and is not "
    "tested."
)
_SMOOTH_RECOVERY_NOTE = (
    "After the same fit. Total: error over the T1ce's; share: of the removable error, 1 is "
    "perfect; attainable: the share if the enhancement is gone and the noise is left; inside, "
    "outside: error in enhancing and in other voxels over the T1ce's; left, bias: mean of image - "
    "T1nce in enhancing voxels, in all and by tissue, 1 is bright tissue; sharpness: gradient "
    "energy over the T1ce's, noise smoothed away. Not tested."
)
_AGREEMENT_NOTE = (
    "Bias: mean of volume - the T1nce's, in % of it, positive where over-estimated; of 95 pairs in "
    "100 the difference lies between the limits of agreement (Bland-Altman). ICC(A,1): intraclass "
    "correlation, two-way, absolute agreement, single measurement. Difference: mean absolute "
    "difference, as in the paper. Fewer than 3 pairs have no intervals."
)
_FLOOR_NOTE = (
    " T1nce again: the noise floor, the T1nce itself segmented once more, moved by 0.5 mm or with "
    "a gain that runs from -10 % to +10 % through the head. Differences no larger than these are "
    "the segmentation's own."
)

_RECOVERY_NOTE = (
    "Not of the paper. Error: of what a linear fit leaves, % of the range; share: of the removable "
    "error, 1 is perfect; inside, outside: error in enhancing and in other voxels over the T1ce's; "
    "sharpness: gradient energy over the T1ce's. Not tested."
)

_WITHIN = {
    "similarity": " and alignment",
    "volumes": " and segmentation",
    "dice": ", segmentation and alignment",
}

SIGNIFICANT = {"similarity": 0.05, "volumes": 0.01, "dice": 0.01}
"""Corrected p below which a star is set; 0.05 and 0.01 are the paper's, of its Tables 1 and 2."""


@dataclass(frozen=True)
class PrintedTable:
    """A table as it is printed.

    Attributes
    ----------
    title
        Title above it.
    header
        Titles of its columns.
    rows
        Cells as text.
    note
        Note below it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str

    def markdown(self) -> str:
        """Return title, table and note in Markdown."""
        lines = [f"**{self.title}**", "", _line(self.header), "|---" * len(self.header) + "|"]
        lines += [_line(row) for row in self.rows]
        return "\n".join([*lines, "", self.note, ""])

    def latex(self) -> str:
        """Return it in LaTeX, with the rules of booktabs: a ``table`` with its caption."""
        import pandas as pd

        frame = pd.DataFrame([map(_escape, row) for row in self.rows])
        return frame.to_latex(
            index=False,
            header=[_escape(title) for title in self.header],
            caption=f"{_escape(self.title)}. {_escape(self.note)}",
            column_format="l" * len(self.header),
        )


def make_tables(
    frames: "Mapping[str, pd.DataFrame]",
    statistics: "pd.DataFrame",
    agreement: "pd.DataFrame | None" = None,
) -> dict[str, PrintedTable]:
    """Make the tables of those frames that have rows.

    Parameters
    ----------
    frames, statistics
        Tables of :mod:`clinica_t1nce.evaluation.frames`.
    agreement
        Table of :func:`clinica_t1nce.evaluation.agreement.tabulate_agreement`.

    Returns
    -------
    dict
        ``agreement``, ``similarity_smooth`` and ``recovery_smooth``, to be read first; the paper's
        ``table1_similarity``, ``table1_similarity_matched``, ``table1_similarity_authors``,
        ``table2_volumes`` and ``table3_dice``; and ``table4_recovery``; where there is something
        to print.
    """
    tables = {}
    if agreement is not None and not agreement.empty:
        tables["agreement"] = _agreement(agreement)
    frame = frames["similarity"]
    for variant, measures in SIMILARITY.items():
        if set(measures) <= set(frame.columns):
            title = f"Similarity to the T1nce{_ADDITIONS[variant]}, mean ± SD"
            note = _note(statistics, "similarity", measures, by_set(frame))
            if variant == SMOOTH:
                rows = _by_set(frame, statistics, [*measures, "blur"])
                tables["similarity_smooth"] = PrintedTable(title, *rows, f"{_SMOOTH_NOTE} {note}")
                tables |= _recovery(frame, statistics, SMOOTH)
            else:
                rows = _by_set(frame, statistics, measures)
                tables[f"table1_similarity{variant}"] = PrintedTable(title, *rows, note)
    for number, name, measure, what in (
        (2, "volumes", "avd", "Absolute volume difference to the T1nce, cm3"),
        (3, "dice", "dice", "Dice score with the T1nce"),
    ):
        if not frames[name].empty:
            tables[f"table{number}_{name}"] = _by_tissue(
                frames[name], statistics, name, measure, f"{what}, mean ± SD"
            )
    return tables | _recovery(frame, statistics, "")


def _agreement(agreement: "pd.DataFrame") -> PrintedTable:
    rows = []
    for row in agreement.to_dict("records"):
        again = row["image"] in FLOOR
        compared = ("T1nce again", row["image"]) if again else _compared(row["image"])
        bias = _interval_text(row, "volume_bias_low", "volume_bias_high", 1)
        rows.append(
            (
                *(SETS[row["set"]], row["segmentation"], row["tissue"], *compared, str(row["n"])),
                f"{row['volume_bias']:+.1f} {bias}",
                _interval_text(row, "limit_low", "limit_high", 1),
                f"{_number_text(row['icc'], 3)} {_interval_text(row, 'icc_low', 'icc_high', 3)}",
                _number_text(row["absolute"], 2),
                _number_text(row["mean_dice"], 3),
            )
        )
    header = (
        *("Set", "Segmentation", "Structure", "Compared with T1nce", "Model", "n"),
        "Bias (%) [95 % CI]",
        *("Limits of agreement (%)", "ICC(A,1) [95 % CI]", "Difference (cm3)", "Dice"),
    )
    note = _AGREEMENT_NOTE + (_FLOOR_NOTE if set(FLOOR) & set(agreement["image"]) else "")
    return PrintedTable("Volumes against the T1nce's", header, tuple(rows), note)


def _interval_text(row: Mapping[Hashable, Any], low: str, high: str, digits: int) -> str:
    if math.isnan(row[low]):
        return "[n/a]"
    return f"[{row[low]:.{digits}f}, {row[high]:.{digits}f}]"


def _number_text(value: float, digits: int) -> str:
    return "n/a" if math.isnan(value) else f"{value:.{digits}f}"


_RECOVERY_TABLES = {
    SMOOTH: ("recovery_smooth", "Enhancement removed, after a smooth fit", _SMOOTH_RECOVERY_NOTE),
    "": ("table4_recovery", "Enhancement removed", _RECOVERY_NOTE),
}


def _recovery(
    frame: "pd.DataFrame", statistics: "pd.DataFrame", variant: str
) -> dict[str, PrintedTable]:
    """Make the table of what is gone of the enhancement, if it was measured."""
    if not set(RECOVERY[variant]) <= set(frame.columns):
        return {}
    name, title, note = _RECOVERY_TABLES[variant]
    rows = _by_set(frame, statistics, RECOVERY[variant])
    return {name: PrintedTable(f"{title}, mean ± SD", *rows, f"{_sizes(by_set(frame))} {note}")}


def _by_set(
    frame: "pd.DataFrame", statistics: "pd.DataFrame", measures: Sequence[str]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Give the header and the rows of a table with a column a measure."""
    rows = []
    for set_name, members in by_set(frame).items():
        for (alignment, image), part in members.groupby(["alignment", "image"], sort=False):
            stars = _stars(statistics, "similarity", set_name, image=image, alignment=alignment)
            cells = [_mean_sd(part[m], m) + stars.get((m, None), "") for m in measures]
            rows.append((SETS[set_name], str(alignment), *_compared(str(image)), *cells))
    titles = (TITLES.get(measure) or TITLES[measure.partition("_")[0]] for measure in measures)
    return ("Set", "Alignment", "Compared with T1nce", "Model", *titles), tuple(rows)


def _by_tissue(
    frame: "pd.DataFrame", statistics: "pd.DataFrame", name: str, measure: str, title: str
) -> PrintedTable:
    groups = by_set(frame)
    keys = [key for key in ("segmentation", "tissue", "alignment", "image") if key in frame]
    rows = []
    for values, part in frame.groupby(keys, sort=False):
        found = dict(zip(keys, values, strict=True))
        cells = []
        for set_name, members in groups.items():
            inside = part[part.index.isin(members.index)]
            stars = _stars(
                statistics, name, set_name, **{k: found[k] for k in keys if k != "tissue"}
            )
            cells.append(
                _mean_sd(inside[measure], measure) + stars.get((measure, found["tissue"]), "")
            )
        rows.append((*map(str, values[:-1]), *_compared(str(found["image"])), *cells))
    header = [key.capitalize() for key in keys[:-1]]
    header += ["Compared with T1nce", "Model", *(SETS[set_name] for set_name in groups)]
    methods, tissues = (list(frame[key].unique()) for key in ("segmentation", "tissue"))
    rows.sort(key=lambda row: (methods.index(row[0]), tissues.index(row[1])))
    return PrintedTable(
        title, tuple(header), tuple(rows), _note(statistics, name, [measure], groups)
    )


def _compared(image: str) -> tuple[str, str]:
    return (BASELINE, "-") if image == BASELINE else ("synthetic", image)


def _stars(
    statistics: "pd.DataFrame", table: str, set_name: str, **where: object
) -> dict[tuple[str, str | None], str]:
    if statistics.empty:
        return {}
    rows = statistics[
        (statistics["table"] == table)
        & (statistics["set"] == set_name)
        & (statistics["compared_with"] == BASELINE)
    ]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return {
        (row.measure, row.tissue if isinstance(row.tissue, str) else None): " *"
        for row in rows.itertuples()
        if row.p_bonferroni < SIGNIFICANT[table]
    }


def _note(
    statistics: "pd.DataFrame",
    table: str,
    measures: Sequence[str],
    groups: "Mapping[str, pd.DataFrame]",
) -> str:
    text = _sizes(groups)
    tested = statistics
    if not statistics.empty:
        tested = statistics[
            (statistics["table"] == table)
            & statistics["measure"].isin(list(measures))
            & (statistics["compared_with"] == BASELINE)
        ]
    if tested.empty:
        return f"{text} No model, so nothing is tested."
    comparisons = sorted({int(n) for n in tested["n_comparisons"]})
    text += (
        f" * corrected p < {SIGNIFICANT[table]:g} against the T1ce row of the same set"
        f"{_WITHIN[table]}: paired t-test, Bonferroni over "
        f"{' or '.join(map(str, comparisons))} comparisons (models x "
        f"{'measures' if table == 'similarity' else 'tissues'})."
    )
    small = [SETS[name] for name, part in groups.items() if _count_pairs(part) < MIN_PAIRS]
    return text + (
        f" Fewer than {MIN_PAIRS} pairs, not tested: {', '.join(small)}." if small else ""
    )


def _sizes(groups: "Mapping[str, pd.DataFrame]") -> str:
    sizes = ", ".join(f"{SETS[name]} {_count_pairs(part)}" for name, part in groups.items())
    return f"Pairs: {sizes}."


def _count_pairs(frame: "pd.DataFrame") -> int:
    return len(frame[["participant_id", "session_id_t1ce", "session_id_t1nce"]].drop_duplicates())


def _mean_sd(values: "pd.Series", measure: str) -> str:
    digits = _DIGITS.get(measure.partition("_")[0], 2)
    mean = float(values.mean())
    if not math.isfinite(mean):
        return "inf" if mean > 0 else "n/a"
    deviation = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    spread = f"{deviation:.{digits}f}" if math.isfinite(deviation) else "n/a"
    return f"{mean:.{digits}f} ± {spread}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _escape(text: str) -> str:
    for character in "&%#_":
        text = text.replace(character, f"\\{character}")
    return text.replace("±", r"$\pm$").replace("cm3", r"cm$^3$").replace("<", "$<$")
