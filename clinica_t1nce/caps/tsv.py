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
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SelectionError(
            f"{path}: cannot be read as text ({error}); save it as UTF-8"
        ) from None
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", restval="")
    columns = [name.strip() for name in reader.fieldnames or []]
    for column in required:
        if column not in columns:
            raise SelectionError(
                f"{path}: no column {column}; its first line must name the columns "
                f"{', '.join(required)}, separated by tabs"
            )
    reader.fieldnames = columns
    return [
        {column: (row[column] or "").strip() for column in columns}
        for row in reader
        if any(isinstance(cell, str) and cell.strip() for cell in row.values())
    ]


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
