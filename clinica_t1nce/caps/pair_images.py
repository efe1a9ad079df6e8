"""The crops of a table of pairs."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clinica_t1nce.bids.contrast_agents import has_contrast
from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.bids.pairs import PairRow
from clinica_t1nce.caps.query import find_crops
from clinica_t1nce.errors import SelectionError, some


@dataclass(frozen=True)
class PairImages:
    """The crops of one row; None where the row names no such image."""

    row: PairRow
    t1ce: Path | None
    t1nce: Path | None


def find_images(caps: Path, rows: Iterable[PairRow], tsv: Path) -> list[PairImages]:
    """Find the crops of each row, and refuse what cannot be a pair.

    Of a session that holds crops with the entity ``ce-`` and crops without, the T1ce is one with
    it and the T1nce one without.

    Parameters
    ----------
    caps
        Root of the CAPS.
    rows
        Rows of a table.
    tsv
        Path of the table, for messages.

    Raises
    ------
    SelectionError
        If a session has no crop or several that would do, if both sides are the same file, or if
        the crop of a T1nce has ``ce-`` in its name.
    """
    found, problems = [], []
    for row in rows:
        try:
            found.append(find_pair(caps, row))
        except SelectionError as error:
            problems.append(f"{row}: {error}")
    if problems:
        raise SelectionError(
            f"{tsv}: {len(problems)} of its rows cannot be used with {caps}: "
            f"{some(problems, '; ')}; correct these rows or take them out"
        )
    return found


def find_pair(caps: Path, row: PairRow) -> PairImages:
    """Find the crops of one row, as :func:`find_images` does for many.

    Raises
    ------
    SelectionError
        As there; the message does not name the row.
    """
    t1ce = _crop(caps, row.subject, row.t1ce, enhanced=True)
    t1nce = _crop(caps, row.subject, row.t1nce, enhanced=False)
    if t1ce is not None and t1ce == t1nce:
        raise SelectionError(f"the same image on both sides, {t1ce.name}")
    return PairImages(row, t1ce, t1nce)


def _crop(caps: Path, subject: str, session: str | None, *, enhanced: bool) -> Path | None:
    if session is None:
        return None
    visit = Visit(subject, session)
    crops = [path for _, path in find_crops(caps, [visit])]
    if not crops:
        raise SelectionError(f"{session} has no crop of t1-linear")
    labelled = [path for path in crops if has_contrast(path.name)]
    plain = [path for path in crops if path not in labelled]
    if not enhanced and not plain:
        raise SelectionError(
            f"{session} stands as T1nce, but its image is a T1ce ({labelled[0].name})"
        )
    suitable = (labelled or plain) if enhanced else plain
    if len(suitable) > 1:
        raise SelectionError(
            f"{session} has {len(suitable)} crops that would do: "
            f"{some([path.name for path in suitable], most=2)}"
        )
    return suitable[0]
