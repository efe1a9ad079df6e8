"""Text and JSON files, as all of ours are read and written."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clinica_t1nce.errors import SelectionError
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
