"""``t1_synth_nce.tsv`` at the root of a CAPS: one row for each image and model."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from clinica_t1nce.caps import names, query, sidecar
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files import tsv
from clinica_t1nce.files.text import write_text
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

Row = dict[str, Any]


def failed_row(
    subject: str, session: str, source: str, model: str, selected_by: str, reason: str
) -> Row:
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


def rewrite(caps: Path, failures: Iterable[Row] = ()) -> Path:
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

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    failures = list(failures)
    path = caps / NAME
    for _ in range(MOST_LOOKS):
        if not write_text(path, _text(caps, failures)):
            break
    return path


def read(caps: Path) -> list[Row]:
    """Read the rows as text; none if there is no table. What is not known is ``n/a``.

    Raises
    ------
    SelectionError
        If there is one that cannot be read: it would hide which images have failed.
    """
    path = caps / NAME
    rows = tsv.read(path) if path.is_file() else []
    return [{column: row.get(column) or "n/a" for column in COLUMNS} for row in rows]


def _text(caps: Path, failures: Sequence[Row]) -> str:
    rows = [*_done_rows(caps), *failures]
    known = {(row["source"], row["model"]) for row in rows}
    before: list[Row] = []
    # A table that cannot be read is replaced.
    with suppress(SelectionError):
        before = read(caps)
    rows += [
        row
        for row in before
        if row["status"] == "failed"
        and row["selected_by"] != query.UNDECIDED
        and (row["source"], row["model"]) not in known
        and names.resolve(row["source"], caps, caps).exists()
    ]
    rows.sort(key=lambda row: tuple(str(row.get(column, "")) for column in COLUMNS[:4]))
    return tsv.text(rows, COLUMNS)


def _done_rows(caps: Path) -> Iterable[Row]:
    """Yield one row an image and model; the figures are those on the first of its grids."""
    images: dict[tuple[str, ...], dict[str, tuple[Row, list[Flag]]]] = {}
    for image in query.find_synthetic(caps):
        content = sidecar.read(image)
        if content is None:
            continue
        # Sidecars are not kept: a hundred thousand of them fill a gigabyte.
        row = _done_row(image, content)
        key = *(row[column] for column in COLUMNS[:3]), image.parent.name
        images.setdefault(key, {})[row["space"]] = row, sidecar.flags(content)
    for by_space in images.values():
        spaces = [space for space in names.SPACES if space in by_space]
        found = dict.fromkeys(flag for _, flags in by_space.values() for flag in flags)
        yield {
            **by_space[spaces[0]][0],
            "space": ",".join(spaces),
            "flag": "; ".join(flag.text for flag in found) or None,
            "flag_codes": ",".join(dict.fromkeys(flag.code for flag in found)) or None,
        }


def _done_row(image: Path, content: Mapping[str, Any]) -> Row:
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
