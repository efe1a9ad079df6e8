"""Which images of a CAPS are asked for."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from clinica_t1nce.caps import names
from clinica_t1nce.errors import SelectionError

BY_ENTITY = "ce entity"
BY_TSV = "tsv"

_WAYS = (
    "name them in a TSV with the columns participant_id and session_id (-tsv FILE), or put the "
    "BIDS entity ce-<agent> into the names of the T1w in the BIDS and run `clinica run t1-linear` "
    "again"
)


class Visit(NamedTuple):
    """A participant's session, with the prefixes ``sub-`` and ``ses-``."""

    subject: str
    session: str

    def __str__(self) -> str:
        """Write both, separated by a space."""
        return f"{self.subject} {self.session}"


@dataclass(frozen=True)
class Crop:
    """A crop of t1-linear that was asked for.

    Attributes
    ----------
    visit
        Whose image it is.
    path
        The file.
    selected_by
        Why it is taken for a T1ce: :data:`BY_ENTITY` or :data:`BY_TSV`.
    """

    visit: Visit
    path: Path
    selected_by: str


@dataclass(frozen=True)
class Selection:
    """What was asked for.

    Attributes
    ----------
    crops
        To be translated, sorted by visit and name; no two of them have the same output.
    ambiguous
        Crops that would overwrite each other's output.
    """

    crops: tuple[Crop, ...]
    ambiguous: tuple[Crop, ...] = ()


def select(caps: Path, tsv: Path | None = None) -> Selection:
    """Find the T1ce crops of a CAPS.

    Without a TSV, they are the crops whose name has the BIDS entity ``ce-``. With one, they are
    the crops of exactly the visits that it lists, whatever their names; of a visit that has crops
    with ``ce-`` and crops without, those with it, as the others are its T1nce.

    Parameters
    ----------
    caps
        Root of the CAPS.
    tsv
        Table with the columns ``participant_id`` and ``session_id``.

    Raises
    ------
    SelectionError
        If nothing is found, or the TSV cannot be used.
    """
    crops = _contrast_crops(caps) if tsv is None else _listed_crops(caps, tsv, read_visits(tsv))
    return _without_collisions(crops)


def find_crops(caps: Path, visits: Iterable[Visit] | None = None) -> Iterator[tuple[Visit, Path]]:
    """Yield all crops of t1-linear, or those of some visits, in the order of the visits.

    Parameters
    ----------
    caps
        Root of the CAPS.
    visits
        Where to look; None for everywhere. A visit that is not there has no crops.
    """
    for visit in _all_visits(caps) if visits is None else visits:
        folder = caps / "subjects" / visit.subject / visit.session / "t1_linear"
        for name in _listing(folder):
            if names.is_crop(name):
                yield visit, folder / name


def read_visits(tsv: Path) -> list[Visit]:
    """Read a table of visits.

    Raises
    ------
    SelectionError
        If it cannot be read, lacks a column, lists a visit twice, or lists none.
    """
    try:
        lines = tsv.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SelectionError(f"{tsv}: cannot be read as text ({error}); save it as UTF-8") from None
    header = [cell.strip() for cell in lines[0].split("\t")] if lines else []
    for column in Visit("participant_id", "session_id"):
        if column not in header:
            raise SelectionError(
                f"{tsv}: no column {column}; its first line must name the columns participant_id "
                "and session_id, separated by a tab"
            )
    rows: dict[Visit, list[int]] = {}
    for number, row in enumerate(csv.DictReader(lines[1:], header, delimiter="\t"), start=2):
        visit = Visit((row["participant_id"] or "").strip(), (row["session_id"] or "").strip())
        if not any(visit):
            continue
        if not visit.subject.startswith("sub-") or not visit.session.startswith("ses-"):
            raise SelectionError(
                f"{tsv}: row {number} ({visit.subject!r}, {visit.session!r}) is not a visit; "
                "write it as sub-<label> and ses-<label>"
            )
        rows.setdefault(visit, []).append(number)
    if not rows:
        raise SelectionError(f"{tsv}: lists no visit; add one row for each")
    twice = [f"{visit} (rows {_and(found)})" for visit, found in rows.items() if len(found) > 1]
    if twice:
        raise SelectionError(f"{tsv}: visits listed twice: {_some(twice)}; keep one row of each")
    return list(rows)


def _contrast_crops(caps: Path) -> list[Crop]:
    every = list(find_crops(caps))
    crops = [Crop(visit, path, BY_ENTITY) for visit, path in every if names.has_contrast(path.name)]
    if not every:
        raise SelectionError(
            f"{caps}: holds no crop of t1-linear (subjects/*/*/t1_linear/*{names.CROP_ENDING}); "
            "run `clinica run t1-linear` on its BIDS first, without --uncropped_image"
        )
    if not crops:
        raise SelectionError(
            f"{caps}: no T1ce among its {len(every)} crops (none has the entity ce- in its name); "
            f"{_WAYS}"
        )
    return crops


def _listed_crops(caps: Path, tsv: Path, visits: Sequence[Visit]) -> list[Crop]:
    found: dict[Visit, list[Path]] = {visit: [] for visit in visits}
    for visit, path in find_crops(caps, visits):
        found[visit].append(path)
    unknown = [str(visit) for visit, paths in found.items() if not paths]
    if unknown:
        raise SelectionError(
            f"{tsv}: {len(unknown)} of its {len(visits)} visits have no crop of t1-linear in "
            f"{caps}: {_some(unknown)}; run `clinica run t1-linear` for them or take them out"
        )
    crops = []
    for visit, paths in sorted(found.items()):
        enhanced = [path for path in paths if names.has_contrast(path.name)]
        crops += [Crop(visit, path, BY_TSV) for path in enhanced or paths]
    return crops


def _without_collisions(crops: Sequence[Crop]) -> Selection:
    by_output: dict[Path, list[Crop]] = {}
    for crop in crops:
        by_output.setdefault(names.output_path(crop.path, "any"), []).append(crop)
    groups = by_output.values()
    return Selection(
        tuple(group[0] for group in groups if len(group) == 1),
        tuple(crop for group in groups if len(group) > 1 for crop in group),
    )


def _all_visits(caps: Path) -> Iterator[Visit]:
    subjects = caps / "subjects"
    for subject in _listing(subjects):
        if subject.startswith("sub-"):
            for session in _listing(subjects / subject):
                if session.startswith("ses-"):
                    yield Visit(subject, session)


def _listing(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SelectionError(
            f"{folder}: cannot be read ({error.strerror or error}); check its permissions"
        ) from error


def _some(items: Sequence[str], most: int = 5) -> str:
    rest = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + rest


def _and(numbers: Sequence[int]) -> str:
    return " and ".join(map(str, numbers))
