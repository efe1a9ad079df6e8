"""Text, JSON and tab-separated tables, as all of ours are read and written.

Tables are as BIDS has them: one line a row, and no quoting.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clinica_t1nce.errors import SelectionError, some
from clinica_t1nce.files import atomic


def read_text(path: Path) -> str:
    """Read a text; a mark of the byte order before it is left out.

    Raises
    ------
    SelectionError
        If the file cannot be read, or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SelectionError(f"{path}: cannot be read ({_why(path, error)})") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SelectionError(
            f"{path}: not UTF-8 (line {line}: byte 0x{content[error.start]:02x}); save it as UTF-8"
        ) from None
    if "\0" in text:
        raise SelectionError(f"{path}: not a text (holds bytes 0); save it as UTF-8")
    return text


def is_there(path: Path) -> bool:
    """Say whether a file is there; a link to one that was not fetched is, and cannot be read."""
    return path.is_file() or path.is_symlink()


def parse_json(text: str) -> dict[str, Any]:
    """Read a JSON object from a text.

    ``NaN`` and ``Infinity``, which many programs write, are read as numbers.

    Raises
    ------
    ValueError
        If it is none, or names a field twice with two values; one line says where.
    """
    try:
        content = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        place = "empty" if not text.strip() else f"line {error.lineno}: {error.msg}"
        raise ValueError(f"not JSON ({place})") from None
    except RecursionError:
        raise ValueError("not JSON that can be read (too many brackets in each other)") from None
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    return content


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises
    ------
    SelectionError
        If it is none, or the file cannot be read.
    """
    text = read_text(path)
    try:
        return parse_json(text)
    except ValueError as error:
        raise SelectionError(f"{path}: {error}; correct or remove it") from None


def find_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object from a file; None where there is none that can be read."""
    try:
        return read_json(path)
    except SelectionError:
        return None


def as_json(content: Mapping[str, Any]) -> str:
    """Write JSON as all our files have it; numbers that are not finite become null."""
    text = json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # Half a character, which JSON can hold and UTF-8 cannot.
        return json.dumps(_finite(content), indent=2, allow_nan=False) + "\n"
    return text


def write_text(path: Path, text: str) -> bool:
    """Write a text, atomically; a file that has it already is not touched.

    Returns
    -------
    bool
        Whether it was written.

    Raises
    ------
    OutputError
        If it cannot be.
    """
    try:
        if path.read_bytes() == text.encode("utf-8"):
            return False
    except OSError:
        pass
    with atomic.temporary(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
    return True


def _why(path: Path, error: OSError) -> str:
    if path.is_symlink() and isinstance(error, FileNotFoundError):
        return (
            "a link to a file that is not there; fetch it, as with `datalad get`, or remove the "
            "link"
        )
    return f"{error.strerror or error}; check that it is there and may be read"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) == len(pairs):
        return content
    for key, value in pairs:
        if content[key] != value:
            raise ValueError(f"not clear JSON (field {key!r} twice, with two values)")
    return content


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


Cells = dict[str, str]
"""Row of a table: its cells by column."""


def read_rows(path: Path, required: Sequence[str] = ()) -> list[Cells]:
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
) -> tuple[list[str], list[tuple[int, Cells]]]:
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
    content = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    lines = [[cell.strip() for cell in line.split("\t")] for line in content.split("\n")]
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


def read_unique(path: Path, key: str, *more: str) -> dict[tuple[str, ...], Cells]:
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
    rows: dict[tuple[str, ...], Cells] = {}
    for number, row in read_numbered(path, names)[1]:
        values = tuple(row[name] for name in names)
        lines.setdefault(values, []).append(number)
        rows[values] = row
    check_once(path, {" ".join(values): found for values, found in lines.items()})
    return rows


def check_once(path: Path, lines: Mapping[str, Sequence[int]], what: str = "") -> None:
    """Raise SelectionError if a table has more than one line of something, given those of each."""
    twice = [
        f"{name} (rows {' and '.join(map(str, found))})"
        for name, found in lines.items()
        if len(found) > 1
    ]
    if twice:
        raise SelectionError(f"{path}: {what}listed twice: {some(twice)}; keep one row of each")


def table_text(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Write a table; what a row does not say is ``n/a``."""
    lines = ["\t".join(columns)]
    lines += ["\t".join(_cell_text(row.get(column)) for column in columns) for row in rows]
    return "\n".join(lines) + "\n"


def _cell_text(value: object) -> str:
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
