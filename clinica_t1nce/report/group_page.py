"""The report of a group: tables, figures, and an index of the pages of its participants.

One file that opens from disk and loads nothing but the thumbnails in sight and, when asked, the
page of a participant. The index is data that the page's script renders a hundred rows at a time, so
that it stays quick with ten thousand of them; it filters, sorts, steps through participants by
keyboard, and saves what was marked as a table of visits.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.errors import OutputError
from clinica_t1nce.report import coding, rendering, scales

if TYPE_CHECKING:
    import pandas as pd

NAME = "report.html"

_MEDIA_TYPES = {
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
_ROWS_SHOWN = 30
"""Of a table; longer ones are folded away."""


@dataclass(frozen=True)
class PageEntry:
    """One line of the index.

    Attributes
    ----------
    title
        Name of the entry, such as participant and session.
    page
        Path of the page, relative to the report's folder, with ``/``; None if there is none.
    sort_key
        The lowest comes first: let it be the worst. NaN comes before all.
    measures
        A few names and values; the names become columns, but those without any value.
    flags
        Findings that the user should look at.
    visit
        Participant and session, for the table of visits that is saved with marks; None: the entry
        cannot be marked.
    has_thumbnail
        Whether the picture that :func:`write_participant_page` writes lies beside the page.
    """

    title: str
    page: str | None
    sort_key: float
    measures: Mapping[str, float | int | str | None] = field(default_factory=dict)
    flags: Sequence[str] = ()
    visit: Visit | None = None
    has_thumbnail: bool = False


def write_group_report(
    folder: str | Path,
    tables: Mapping[str, "pd.DataFrame"],
    figures: Sequence[str | Path],
    participants: Sequence[PageEntry],
    note: str = "",
    *,
    title: str = "Report",
    order: str = "",
) -> Path:
    """Write ``report.html``: note, tables, figures and the index of the participants' pages.

    The same arguments give the same bytes; a file that has them already is not touched.

    Parameters
    ----------
    folder
        Folder of the report; the pages of `participants` lie below it. Made if needed.
    tables
        Heading to table. Its index is shown if it has a name. Numbers get four digits; those that
        shall look otherwise come as text. Long tables are folded away.
    figures
        PNG, SVG, JPEG or WebP files, put into the report; the name, without extension and with
        ``_`` as a space, is the caption.
    participants
        Lines of the index, in any order.
    note
        Text above the tables; lines are kept, an empty line starts a paragraph.
    title
        Heading.
    order
        Order of the participants, in words, such as "confidence, lowest first".

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    OutputError
        If it cannot be written, or a figure cannot be read.
    ValueError
        If a page's path is absolute, leads out of the folder, or a figure is of another type.
    """
    return rendering.fill_template(
        Path(folder) / NAME,
        "report.html",
        keep_equal=True,
        title=title,
        paragraphs=[part for part in note.split("\n\n") if part.strip()],
        tables=[(heading, *_table_text(frame)) for heading, frame in tables.items()],
        rows_shown=_ROWS_SHOWN,
        figures=[_load_figure(Path(path)) for path in figures],
        n_participants=len(participants),
        order=order,
        note=scales.NOTE,
        data=_index(participants),
    )


def _index(participants: Sequence[PageEntry]) -> dict[str, Any]:
    """Give the index as columns and rows: title, page, flags (as numbers), measures.

    Beside them, row by row, visits and whether there is a thumbnail.
    """
    ordered = sorted(participants, key=lambda entry: (_rank(entry.sort_key), entry.title))
    known = {name for e in ordered for name, value in e.measures.items() if value is not None}
    # In the order of their first mention, with a value or without.
    names = [n for n in dict.fromkeys(n for e in ordered for n in e.measures) if n in known]
    flags = sorted({flag for entry in ordered for flag in entry.flags})
    numbers = {flag: number for number, flag in enumerate(flags)}
    rows = [
        [
            entry.title,
            _checked(entry.page),
            [numbers[flag] for flag in entry.flags],
            *(_sortable(entry.measures.get(name)) for name in names),
        ]
        for entry in ordered
    ]
    return {
        "names": names,
        "flags": flags,
        "rows": rows,
        "visits": [entry.visit for entry in ordered],
        "thumbnails": [int(entry.has_thumbnail) for entry in ordered],
    }


def _rank(key: float) -> float:
    return -math.inf if math.isnan(key) else key


def _checked(page: str | None) -> str | None:
    if page is None:
        return None
    path = PurePosixPath(page)
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise ValueError(f"{page}: not a path below the report's folder")
    return str(path)


def _sortable(value: float | int | str | None) -> float | int | str | None:
    """Keep numbers numbers, for sorting; what JSON has no number for becomes text."""
    if isinstance(value, str) or value is None:
        return value
    number = float(value)
    return float(f"{number:.6g}") if math.isfinite(number) else rendering.say(number)


def _table_text(frame: "pd.DataFrame") -> tuple[list[str], list[list[str]]]:
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    head = [" ".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in frame.columns]
    return head, [[rendering.say(cell) for cell in row] for row in frame.itertuples(index=False)]


def _load_figure(path: Path) -> tuple[str, str]:
    media_type = _MEDIA_TYPES.get(path.suffix.lower())
    if media_type is None:
        raise ValueError(f"{path}: figures are {', '.join(_MEDIA_TYPES)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OutputError(f"{path}: the figure cannot be read ({error.strerror})") from error
    return path.stem.replace("_", " "), coding.data_uri(media_type, content)
