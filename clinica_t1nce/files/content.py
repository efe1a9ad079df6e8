"""The bytes of files: read and unpacked, whole or not, the same as before or not.

What can be told without reading a whole file is told so.
"""

import errno
import gzip
import hashlib
import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any

from clinica_t1nce.errors import ImageError

_HEAD = 4096
_MOST_BEYOND = 1 << 20
"""Bytes that may follow the voxels of a whole image."""
_HEADERS = {348: (40, "h", 72, 108, "f"), 540: (16, "q", 14, 168, "q")}
"""Of NIfTI-1 and 2, by their size: place and type of the dimensions, place of the bits of a voxel,
place and type of the start of the data."""


def is_dicom(path: Path) -> bool:
    """Tell whether a file is DICOM, or a folder holds such files.

    Parameters
    ----------
    path
        File, or folder of which a hundred files are looked at, at any depth: exports of scanners
        have a folder a series.

    Returns
    -------
    bool
        False as well if the file cannot be read.
    """
    if path.is_dir():
        return any(map(is_dicom, islice(filter(Path.is_file, path.rglob("*")), 100)))
    with suppress(OSError), path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
    return False


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
        Note of :func:`clinica_t1nce.files.content.read_noted`.

    Raises
    ------
    ImageError
        If it is missing or cannot be read.
    """
    try:
        return _read_noted(path)
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


def is_whole(image: Path) -> bool:
    """Say whether a NIfTI image can be opened and is as long as its header says.

    Reads no more than the header and the length that gzip notes at the end: a file that was cut
    short or emptied is found in a tenth of a millisecond.

    Parameters
    ----------
    image
        Path of a ``.nii`` or ``.nii.gz`` file.
    """
    try:
        with image.open("rb") as file:
            head = file.read(_HEAD)
            end = file.seek(0, 2)
            if head[:2] == b"\x1f\x8b":
                file.seek(-4, 2)
                end = int.from_bytes(file.read(4), "little")
                head = zlib.decompressobj(31).decompress(head)
            return (end - _length(head)) % 2**32 < _MOST_BEYOND
    except (OSError, ValueError, zlib.error, struct.error):
        return False


def _length(head: bytes) -> int:
    """Say how many bytes an image has by its header."""
    for order in "<>":
        (size,) = struct.unpack_from(f"{order}i", head)
        if size in _HEADERS:
            place, kind, bits_place, start_place, start_kind = _HEADERS[size]
            number, *sides = struct.unpack_from(f"{order}8{kind}", head, place)
            (bits,) = struct.unpack_from(f"{order}h", head, bits_place)
            (start,) = struct.unpack_from(f"{order}{start_kind}", head, start_place)
            voxels = 1
            for side in sides[:number]:
                voxels *= max(side, 1)
            if number > 0 and bits > 0:
                return int(start) + voxels * bits // 8
    raise ValueError("not the header of a NIfTI image")


def _read_noted(path: Path) -> tuple[bytes, dict[str, Any]]:
    # The time first: of a file that is replaced meanwhile, the digest is then compared.
    note = _size_and_time(path)
    if path.is_fifo():
        # Reading would wait for ever.
        raise OSError(errno.EINVAL, "a pipe, not a file")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return content, {**note, "Size": len(content), "SHA256": digest}


def fingerprint(path: Path) -> dict[str, Any]:
    """Give the note of :func:`read_noted`."""
    return _read_noted(path)[1]


def has_changed(path: Path, before: Mapping[str, Any]) -> bool:
    """Say whether a file is another one than :func:`fingerprint` found.

    Size and time are compared first; only where times differ, as after a copy, the file is read.

    Parameters
    ----------
    path
        Path of the file; one that is not there, or may not be read, has not changed.
    before
        Result of :func:`fingerprint`.
    """
    try:
        now = _size_and_time(path)
        if now["Size"] != before.get("Size"):
            return True
        return now["Modified"] != before.get("Modified") and (
            fingerprint(path)["SHA256"] != before.get("SHA256")
        )
    except OSError:
        return False


def _size_and_time(path: Path) -> dict[str, Any]:
    status = path.stat()
    seconds, rest = divmod(status.st_mtime_ns, 10**9)
    time = datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=rest // 1000)
    return {"Size": status.st_size, "Modified": time.isoformat(timespec="microseconds")}
