"""The bytes of an image file, uncompressed; what is wrong with them is said in one line."""

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clinica_t1nce.errors import ImageError
from clinica_t1nce.files import completeness


def read_bytes(path: Path) -> bytes:
    """Read a file, uncompressed if it is gzip.

    Raises
    ------
    ImageError
        If it is missing, empty, damaged or cannot be read.
    """
    return unpack(path, read_noted(path)[0])


def read_noted(path: Path) -> tuple[bytes, Mapping[str, Any]]:
    """Read a file as it is, and note what tells it from another one of its name.

    Returns
    -------
    content : bytes
    note : dict
        Note of :func:`clinica_t1nce.files.completeness.read_noted`.

    Raises
    ------
    ImageError
        If it is missing or cannot be read.
    """
    try:
        return completeness.read_noted(path)
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise ImageError(f"{path}: a folder, not a file; name the image in it") from None
    except OSError as error:
        raise ImageError(
            f"{path}: cannot be read ({error.strerror or error}); check its permissions"
        ) from error


def unpack(path: Path, content: bytes) -> bytes:
    """Give the content of a file that was read, uncompressed if it is gzip.

    Raises
    ------
    ImageError
        If it is empty or damaged.
    """
    if not content:
        raise ImageError(f"{path}: an empty file; make it again")
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        # The whole stream, checksum included: nibabel would stop reading before the checksum.
        return gzip.decompress(content)
    except (EOFError, zlib.error, OSError) as error:
        raise ImageError(
            f"{path}: truncated or damaged gzip file; copy it or make it again"
        ) from error
