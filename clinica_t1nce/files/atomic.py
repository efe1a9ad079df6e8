"""Files that appear whole or not at all."""

import os
import secrets
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from clinica_t1nce.errors import OutputError

GZIP_LEVEL = 1


@contextmanager
def temporary(path: str | Path) -> Iterator[Path]:
    """Give a file to write to, which becomes `path` when the block ends well.

    The file lies in the same folder, hidden and ending in ``.part`` so that no pattern of
    Clinica's finds it. Parts of the same output that a killed process left are removed.

    Parameters
    ----------
    path
        The output. Its folder is made. Replaced if it exists.

    Yields
    ------
    pathlib.Path
        An empty file. The block does nothing but write it.

    Raises
    ------
    OutputError
        If the folder or the file cannot be written, or the disk is full.
    """
    path = Path(path)
    part, descriptor = _new_part(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        while (descriptor := _create_locked(part)) is None:
            part = _new_part(path)
        yield part
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "free space there, or choose a folder that you may write to"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises
    ------
    OutputError
        If it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be replaced ({error.strerror or error}); get the right to write there"
        ) from error


@contextmanager
def replacing(paths: Sequence[Path]) -> Iterator[None]:
    """Let a block write files that belong together: all are there in the end, or none.

    Parameters
    ----------
    paths
        Outputs, the one that the block writes last first: while it is not there, the others do
        not count.

    Raises
    ------
    OutputError
        If one that is there cannot be removed.
    """
    for path in paths:
        remove(path)
    try:
        yield
    except BaseException:
        for path in paths:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise


def check_space(folder: Path, size: int, what: str, otherwise: str = "name another folder") -> None:
    """Refuse to begin what the disk has no room for.

    Parameters
    ----------
    folder
        Folder that is written to; it need not exist.
    size
        Number of bytes that are needed.
    what
        Name of what is written there.
    otherwise
        Advice for those who cannot free space.

    Raises
    ------
    OutputError
        If less is free.
    """
    free = shutil.disk_usage(_nearest_folder(folder)).free
    if size > free:
        raise OutputError(
            f"{folder}: about {_megabytes(size)} needed for {what}, {_megabytes(free)} free; "
            f"free space, or {otherwise}"
        )


def check_writable(folder: Path) -> None:
    """Refuse to begin what cannot be written in the end.

    Parameters
    ----------
    folder
        Folder that is written to; it need not exist, and is not made.

    Raises
    ------
    OutputError
        If it is no folder, or may not be written to or made.
    """
    present = _nearest_folder(folder)
    if not present.is_dir() or not os.access(present, os.W_OK | os.X_OK):
        what = "may not be written to" if present.is_dir() else "is no folder"
        raise OutputError(f"{folder}: {present} {what}; choose a folder that you may write to")


def _nearest_folder(folder: Path) -> Path:
    """Give the folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())


def compress(content: bytes) -> bytes:
    """Compress with gzip: the same bytes for the same content, on the same kind of processor."""
    # Several times faster than zlib, for files as large.
    from isal import igzip

    packed: bytes = igzip.compress(content, GZIP_LEVEL, mtime=0)
    return packed


def _new_part(path: Path) -> Path:
    return path.with_name(f"{_part_prefix(path)}{secrets.token_hex(4)}.part")


def _part_prefix(path: Path) -> str:
    # Not the name itself: a pattern such as *T1w.nii* would match it.
    return f".{zlib.crc32(path.name.encode()):08x}-"


def _create_locked(part: Path) -> int | None:
    """Make a part and mark it as being written: a killed process loses its lock; the file stays.

    None if another process has taken it for a left-over before it was locked.
    """
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except (ImportError, OSError):
        # No locks here, then nobody takes them.
        return descriptor
    if part.exists():
        return descriptor
    os.close(descriptor)
    return None


def _remove_abandoned(path: Path) -> None:
    try:
        import fcntl
    except ImportError:
        return
    for part in path.parent.glob(f"{_part_prefix(path)}*.part"):
        # A file system without locks keeps its left-overs rather than lose a living part.
        with suppress(OSError), part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink(missing_ok=True)


def _megabytes(size: int) -> str:
    return f"{size / 10**6:.0f} MB" if size < 10**10 else f"{size / 10**9:.1f} GB"
