"""``t1_synth_nce.tsv`` at the root of a CAPS: one row for each image and model.

A run on a shard writes a table of its own beside it, which the next run on all visits takes in:
tables of all visits, written by each of many tasks, would cost more than some of the tasks.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from clinica_t1nce.caps import names, query, sidecar
from clinica_t1nce.caps.flags import read_flags
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.atomic import remove
from clinica_t1nce.files.text import read_rows, table_text, write_text
from clinica_t1nce.synthesis import Flag

NAME = "t1_synth_nce.tsv"
COLUMNS = (
    "participant_id",
    "session_id",
    "source",
    "model",
    "space",
    "selected_by",
    "gadolinium",
    "confidence",
    "change",
    "duration",
    "status",
    "flag",
    "reason",
    "flag_codes",
)
"""``space`` names the grids on which the image is there; ``gadolinium`` is the probability that it
was given, read from the image; ``change`` is the mean change in the head relative to the T1ce;
``duration`` in seconds; ``status`` is done or failed; ``flag`` says what is to be looked at, and
``flag_codes`` the same for programs."""

MOST_LOOKS = 5
"""Times that a table is written anew because it has changed meanwhile."""

ImageRow = dict[str, Any]


class Rows:
    """Rows of synthetic images; each sidecar is read once, as long as it is the same file."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], ImageRow, list[Flag]]] = {}

    def read(self, image: Path) -> dict[str, Any] | None:
        """Read the sidecar of an image, and keep what the table needs of it."""
        stamp = _stamp(image)
        content = sidecar.read(image)
        if content is None or stamp is None:
            self._known.pop(image, None)
        else:
            # Sidecars are not kept: a hundred thousand of them fill a gigabyte.
            self._known[image] = stamp, _done_row(image, content), read_flags(content)
        return content

    def of(self, image: Path) -> tuple[ImageRow, list[Flag]] | None:
        """Give the row of an image, and its flags; None without a sidecar."""
        if image not in self._known or self._known[image][0] != _stamp(image):
            self.read(image)
        known = self._known.get(image)
        return None if known is None else known[1:]


def _stamp(image: Path) -> tuple[int, int] | None:
    """Tell a sidecar from another of its name: each is a new file."""
    try:
        status = names.sidecar_path(image).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def failed_row(
    subject: str, session: str, source: str, model: str, selected_by: str, reason: str
) -> ImageRow:
    """Describe an image that could not be made."""
    return {
        "participant_id": subject,
        "session_id": session,
        "source": source,
        "model": model,
        "selected_by": selected_by,
        "status": "failed",
        "reason": reason,
    }


def rewrite(
    caps: Path,
    failures: Iterable[ImageRow] = (),
    shard: query.Shard | None = None,
    known: Rows | None = None,
) -> Path:
    """Write the table anew from the images that are there, and the failures.

    Any number of processes may do so at a time: each looks again after it has written, so that
    the last one has missed nothing.

    Parameters
    ----------
    caps
        Root of the CAPS.
    failures
        Rows from :func:`failed_row`; one whose image is there all the same is kept, too. Those
        of other runs stay as long as there is a source and no image, unless it was not known
        whether the source is a T1ce.
    shard
        Part of the visits: a table of them alone is written, ``t1_synth_nce_shard-IofN.tsv``. None
        for all visits: the tables of shards are taken in, and removed.
    known
        Rows that were read already.

    Returns
    -------
    pathlib.Path
        Path of the table.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    failures, known = list(failures), known or Rows()
    path = caps / NAME if shard is None else caps / _shard_name(shard.index, shard.number)
    parts = _claim_parts(caps) if shard is None else []
    # Before the table: another run may write it, and remove them, meanwhile.
    of_parts = [row for part in parts for row in _readable_rows(part)]
    for _ in range(MOST_LOOKS):
        before = [*of_parts, *_readable_rows(path)]
        images = query.find_synthetic(caps, shard)
        if not write_text(path, _text(caps, failures, before, images, known)):
            break
    for part in parts:
        remove(part)
    return path


def _shard_name(index: int | str, number: int | str) -> str:
    return f"t1_synth_nce_shard-{index}of{number}.tsv"


def _claim_parts(caps: Path) -> list[Path]:
    """Rename the tables of shards, so that none is removed that is written meanwhile.

    Those that a killed run has renamed are among them.
    """
    pattern = _shard_name("*", "*")
    for part in caps.glob(pattern):
        # Another run may have taken it, or must, if this one may not write here.
        with suppress(OSError):
            part.rename(part.with_name(f".{secrets.token_hex(4)}-{part.name}"))
    return _parts(caps, f".*-{pattern}")


def _readable_rows(path: Path) -> list[ImageRow]:
    # A table that cannot be read is replaced.
    with suppress(SelectionError):
        return _known_rows(path)
    return []


def read_table(caps: Path) -> list[ImageRow]:
    """Read the rows as text; none if there is no table. What is not known is ``n/a``.

    Raises
    ------
    SelectionError
        If there is one that cannot be read: it would hide which images have failed.
    """
    return _known_rows(caps / NAME)


def read_all_tables(caps: Path) -> list[ImageRow]:
    """Read the rows of the table, and of those of shards that no run has taken in yet.

    Raises
    ------
    SelectionError
        As :func:`read_table`.
    """
    # The parts first: a run that takes them in meanwhile has then written them into the table.
    pattern = _shard_name("*", "*")
    parts = [row for part in _parts(caps, pattern, f".*-{pattern}") for row in _known_rows(part)]
    return parts + read_table(caps)


def _parts(caps: Path, *patterns: str) -> list[Path]:
    return sorted(part for pattern in patterns for part in caps.glob(pattern))


def _known_rows(path: Path) -> list[ImageRow]:
    rows = read_rows(path) if path.is_file() else []
    return [{column: row.get(column) or "n/a" for column in COLUMNS} for row in rows]


def _text(
    caps: Path,
    failures: Sequence[ImageRow],
    before: Iterable[ImageRow],
    images: Iterable[Path],
    known: Rows,
) -> str:
    rows = [*_done_rows(images, known), *failures]
    told = {(row["source"], row["model"]) for row in rows}
    for row in before:
        key = row["source"], row["model"]
        if (
            row["status"] == "failed"
            and row["selected_by"] != query.UNDECIDED
            and key not in told
            and names.resolve(row["source"], caps, caps).exists()
        ):
            rows.append(row)
            told.add(key)
    rows.sort(key=lambda row: tuple(str(row.get(column, "")) for column in COLUMNS[:4]))
    return table_text(rows, COLUMNS)


def _done_rows(images: Iterable[Path], known: Rows) -> Iterable[ImageRow]:
    """Yield one row an image and model; the figures are those on the first of its grids."""
    found_rows: dict[tuple[str, ...], dict[str, tuple[ImageRow, list[Flag]]]] = {}
    for image in images:
        found = known.of(image)
        if found is not None:
            row = found[0]
            key = *(row[column] for column in COLUMNS[:3]), image.parent.name
            found_rows.setdefault(key, {})[row["space"]] = found
    for by_space in found_rows.values():
        spaces = [space for space in names.SPACES if space in by_space]
        all_flags = dict.fromkeys(flag for _, flags in by_space.values() for flag in flags)
        yield {
            **by_space[spaces[0]][0],
            "space": ",".join(spaces),
            "flag": "; ".join(flag.text for flag in all_flags) or None,
            "flag_codes": ",".join(dict.fromkeys(flag.code for flag in all_flags)) or None,
        }


def _done_row(image: Path, content: Mapping[str, Any]) -> ImageRow:
    visit = image.parents[2]
    return {
        "participant_id": visit.parent.name,
        "session_id": visit.name,
        "source": next(iter(content.get("Sources", [])), ""),
        "model": content.get("Model", {}).get("Name"),
        "space": content.get("Space", names.MNI_CROP),
        "selected_by": str(sidecar.selection(content) or "n/a"),
        "gadolinium": content.get("GadoliniumProbability"),
        "confidence": content.get("Confidence"),
        "change": content.get("Change", {}).get("MeanRelativeToSource"),
        "duration": content.get("DurationSeconds"),
        "status": "done",
    }
