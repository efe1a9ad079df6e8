"""Tab-separated tables, as BIDS has them."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from clinica_t1nce.errors import SelectionError

Row = dict[str, str]


def read(path: Path, required: Sequence[str] = ()) -> list[Row]:
    """Read a table; cells are stripped, missing ones are empty.

    Parameters
    ----------
    path
        The table; its first line names the columns.
    required
        Columns that it must have.

    Raises
    ------
    SelectionError
        If it cannot be read, or lacks a column.
    """
    return [row for _, row in read_numbered(path, required)[1]]


def read_numbered(
    path: Path, required: Sequence[str] = ()
) -> tuple[list[str], list[tuple[int, Row]]]:
    """Read a table with the line in the file on which each row ends.

    Parameters
    ----------
    path
        UTF-8, with or without a mark, with any line ends. Empty rows are left out.
    required
        Columns that it must have.

    Returns
    -------
    columns : list of str
        None if the file is empty.
    rows : list
        Line and cells.

    Raises
    ------
    SelectionError
        If it cannot be read, or lacks a column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SelectionError(
            f"{path}: cannot be read as text ({error}); save it as UTF-8"
        ) from None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t")
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise SelectionError(
            f"{path}: line {reader.line_num} cannot be read ({error}); look for a quotation mark "
            "that is not closed"
        ) from None
    columns = lines[0][1] if lines else []
    for column in required:
        if column not in columns:
            raise SelectionError(
                f"{path}: no column {column}; its first line must name the columns "
                f"{', '.join(required)}, separated by tabs"
            )
    rows = [
        (number, dict.fromkeys(columns, "") | dict(zip(columns, cells, strict=False)))
        for number, cells in lines[1:]
        if any(cells)
    ]
    return columns, rows


def text(rows: Iterable[Mapping[str, str]], columns: Sequence[str]) -> str:
    """Write a table; what a row does not say is ``n/a``."""
    content = io.StringIO()
    writer = csv.DictWriter(
        content, columns, restval="n/a", delimiter="\t", lineterminator="\n", extrasaction="ignore"
    )
    writer.writeheader()
    writer.writerows(
        {column: " ".join(str(row.get(column) or "n/a").split()) for column in columns}
        for row in rows
    )
    return content.getvalue()
