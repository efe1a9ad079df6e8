"""Tab-separated tables, as BIDS has them: one line a row, and no quoting."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from clinica_t1nce.errors import SelectionError, some
from clinica_t1nce.files.text import read_text

Row = dict[str, str]


def read(path: Path, required: Sequence[str] = ()) -> list[Row]:
    """Read a table; cells are stripped, missing ones are empty.

    Parameters
    ----------
    path
        Path of the table, as :func:`read_numbered` takes it.
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
    """Read a table with the number of each row's line in the file.

    Quotation marks are letters like any others: BIDS has no quoting. In a required column they
    are refused, since nothing could be found by such a cell.

    Parameters
    ----------
    path
        Path of the table: UTF-8, with or without a mark of the byte order, with any line ends.
        Its first line names the columns. Empty rows are left out.
    required
        Columns that it must have.

    Returns
    -------
    columns : list of str
        Names of the columns; none if the file is empty.
    rows : list
        Line and cells of each row; cells are stripped, missing ones are empty.

    Raises
    ------
    SelectionError
        If it cannot be read, lacks a column or names one twice, or a row has more cells than
        there are columns.
    """
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    lines = [[cell.strip() for cell in line.split("\t")] for line in text.split("\n")]
    header = lines[0]
    columns = [name for name in header if name]
    _check_header(path, columns, required)
    rows = []
    for number, cells in enumerate(lines[1:], 2):
        if not any(cells):
            continue
        unnamed = [*header, *[""] * (len(cells) - len(header))]
        row = dict.fromkeys(columns, "")
        for name, cell in zip(unnamed, cells, strict=False):
            if name:
                row[name] = cell
            elif cell:
                raise SelectionError(
                    f"{path}: row {number}: a cell {cell!r} under no column; name the column in "
                    "the first line, or correct the row"
                )
        for name in required:
            if '"' in row[name]:
                raise SelectionError(
                    f"{path}: row {number}: {name} {row[name]!r} with a quotation mark, which BIDS "
                    "tables do not have around cells; remove it"
                )
        rows.append((number, row))
    return columns, rows


def read_unique(path: Path, key: str, *more: str) -> dict[tuple[str, ...], Row]:
    """Read a table in which no two rows have the same key.

    Parameters
    ----------
    path
        Path of the table, as :func:`read_numbered` takes it.
    key, *more
        Columns that make up the key.

    Returns
    -------
    dict
        Rows by the values of their key, in the order of the table.

    Raises
    ------
    SelectionError
        As :func:`read_numbered`, and if two rows have the same key.
    """
    names = (key, *more)
    lines: dict[tuple[str, ...], list[int]] = {}
    rows: dict[tuple[str, ...], Row] = {}
    for number, row in read_numbered(path, names)[1]:
        values = tuple(row[name] for name in names)
        lines.setdefault(values, []).append(number)
        rows[values] = row
    twice = [
        f"{' '.join(values)} (rows {' and '.join(map(str, found))})"
        for values, found in lines.items()
        if len(found) > 1
    ]
    if twice:
        raise SelectionError(f"{path}: listed twice: {some(twice)}; keep one row of each")
    return rows


def text(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Write a table; what a row does not say is ``n/a``."""
    lines = ["\t".join(columns)]
    lines += ["\t".join(_cell(row.get(column)) for column in columns) for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return "n/a" if value is None else " ".join(str(value).split()) or "n/a"


def _check_header(path: Path, columns: Sequence[str], required: Sequence[str]) -> None:
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise SelectionError(f"{path}: column {some(twice)} twice; keep one")
    for column in required:
        if column not in columns:
            quoted = f'"{column}"' in columns
            raise SelectionError(
                f"{path}: no column {column}; its first line must name the columns "
                f"{', '.join(required)}, separated by tabs"
                + (" and without quotation marks" if quoted else "")
            )
