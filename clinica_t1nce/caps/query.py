"""Which images of a CAPS are asked for: by a rule, by a table, or as pairs."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args

from clinica_t1nce.bids.contrast_agents import has_contrast
from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.bids.pairs import PairRow
from clinica_t1nce.caps import names
from clinica_t1nce.errors import SelectionError, some
from clinica_t1nce.files.text import check_once, read_numbered

Rule = Literal["metadata", "tsv", "all", "image"]
"""Ways to tell a T1ce: see :class:`clinica_t1nce.caps.selection.SelectionRequest`."""

RULES: tuple[Rule, ...] = get_args(Rule)
METADATA, TSV, ALL, IMAGE = RULES

AS_T1NCE: Literal["include-t1nce"] = "include-t1nce"
"""Rule of an image that is no T1ce, and is to go through the generator all the same."""


@dataclass(frozen=True)
class SelectedBy:
    """Why an image is taken.

    Attributes
    ----------
    rule
        Rule that took it.
    reason
        Evidence that the rule found, from
        :func:`clinica_t1nce.caps.selection.find_crop_evidence`; None of rules that ask for none.

    Examples
    --------
    >>> SelectedBy.parse("ce entity")
    SelectedBy(rule='metadata', reason='ce entity')
    >>> str(SelectedBy("all")), str(SelectedBy("all", "ce entity"))
    ('all', 'ce entity')
    """

    rule: Rule | Literal["include-t1nce"]
    reason: str | None = None

    def __str__(self) -> str:
        """Give the reason, or the rule where there is none."""
        return self.reason or self.rule

    @classmethod
    def parse(cls, text: str) -> "SelectedBy":
        """Read what :meth:`__str__` wrote, as sidecars of earlier versions hold it."""
        if text in (*RULES, AS_T1NCE):
            return cls(cast(Rule, text))
        return cls(METADATA, text)


UNDECIDED = "undecided"
"""Reason of an image of which it is not known whether it is a T1ce: it failed for that."""


@dataclass(frozen=True)
class Shard:
    """One of several parts of all visits that share none and leave none out.

    Which part a visit is in depends on its name alone, not on what else is there: shards that
    begin at different times fit together.

    Attributes
    ----------
    index
        Place of the part, from 1.
    number
        Number of parts.
    """

    index: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read what a user writes, ``I/N``.

        Raises
        ------
        SelectionError
            If it is not that, or there is no such part.

        Examples
        --------
        >>> Shard.parse("3/10")
        Shard(index=3, number=10)
        """
        index, _, number = text.partition("/")
        shard = cls(*(int(part) if part.isdecimal() else 0 for part in (index, number)))
        if not 1 <= shard.index <= shard.number:
            raise SelectionError(f"--shard {text}: not I/N with I from 1 to N, such as 1/10")
        return shard

    def holds(self, visit: Visit) -> bool:
        """Say whether a visit is in this part."""
        digest = hashlib.sha256(f"{visit.subject} {visit.session}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.number == self.index - 1


@dataclass(frozen=True)
class Crop:
    """A crop of t1-linear that was asked for.

    Attributes
    ----------
    visit
        Participant and session.
    path
        Path of the file.
    selected_by
        Rule and reason; None as long as the image itself is to tell.
    """

    visit: Visit
    path: Path
    selected_by: SelectedBy | None


@dataclass(frozen=True)
class Selection:
    """What was asked for.

    Attributes
    ----------
    crops
        Images to be translated, sorted by visit and name; no two of them have the same output.
    ambiguous
        Crops that would overwrite each other's output.
    colliding
        Crops of which only the image can tell whether they are T1ce, and which may have the same
        output as others: to be classified before any is translated.
    undecided
        Errors by crop, of crops whose metadata cannot be read or are not understood.
    """

    crops: tuple[Crop, ...]
    ambiguous: tuple[Crop, ...] = ()
    colliding: tuple[Crop, ...] = ()
    undecided: Mapping[Path, SelectionError] = field(default_factory=dict)


def find_synthetic(caps: Path, shard: Shard | None = None) -> list[Path]:
    """List the synthetic images of a CAPS, on all grids; not the maps beside them.

    Parameters
    ----------
    caps
        Root of the CAPS.
    shard
        Part of the visits to look at; None for all.
    """
    found = []
    for visit in _all_visits(caps):
        if shard is not None and not shard.holds(visit):
            continue
        folder = caps.joinpath("subjects", *visit, names.FOLDER)
        for model in _listing(folder):
            if model.startswith("model-"):
                files = _listing(folder / model)
                found += [
                    folder.joinpath(model, name) for name in files if names.is_synthetic(name)
                ]
    return found


def find_crops(caps: Path, visits: Iterable[Visit] | None = None) -> Iterator[tuple[Visit, Path]]:
    """Yield all crops of t1-linear, or those of some visits, in the order of the visits.

    Parameters
    ----------
    caps
        Root of the CAPS.
    visits
        Visits to look at; None for all. A visit that is not there has no crops.
    """
    for visit in _all_visits(caps) if visits is None else visits:
        folder = caps.joinpath("subjects", *visit, "t1_linear")
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
    _, lines = read_numbered(tsv, ["participant_id", "session_id"])
    rows: dict[Visit, list[int]] = {}
    for number, row in lines:
        visit = Visit(row["participant_id"], row["session_id"])
        if not (_is_label(visit.subject, "sub-") and _is_label(visit.session, "ses-")):
            raise SelectionError(
                f"{tsv}: row {number} ({visit.subject!r}, {visit.session!r}) is not a visit; "
                "write it as sub-<label> and ses-<label>"
            )
        rows.setdefault(visit, []).append(number)
    if not rows:
        raise SelectionError(f"{tsv}: lists no visit; add one row for each")
    check_once(tsv, {str(visit): found for visit, found in rows.items()}, "visits ")
    return list(rows)


def no_crops(caps: Path) -> SelectionError:
    """Say that a CAPS holds no crop at all."""
    return SelectionError(
        f"{caps}: holds no crop of t1-linear (subjects/*/*/t1_linear/*{names.CROP_ENDING}); "
        "run `clinica run t1-linear` on its BIDS first, without --uncropped_image"
    )


def listed_crops(caps: Path, tsv: Path) -> list[tuple[Visit, Path]]:
    """List the crops of exactly the visits of a table, sorted by visit and name.

    Raises
    ------
    SelectionError
        If the table cannot be used, or lists a visit without a crop.
    """
    visits = read_visits(tsv)
    found = list(find_crops(caps, sorted(visits)))
    there = {visit for visit, _ in found}
    unknown = [str(visit) for visit in visits if visit not in there]
    if unknown:
        raise SelectionError(
            f"{tsv}: {len(unknown)} of its {len(visits)} visits have no crop of t1-linear in "
            f"{caps}: {some(unknown)}; run `clinica run t1-linear` for them or take them out"
        )
    return found


def without_collisions(crops: Sequence[Crop]) -> Selection:
    """Tell apart the crops that would overwrite each other's output."""
    by_output: dict[tuple[Path, str], list[Crop]] = {}
    for crop in crops:
        output = crop.path.parent, names.synthetic_name(crop.path.name)
        by_output.setdefault(output, []).append(crop)
    chosen, ambiguous, colliding = [], [], []
    for group in by_output.values():
        if len(group) == 1:
            chosen += group
        elif any(crop.selected_by is None for crop in group):
            colliding += group
        else:
            ambiguous += group
    return Selection(tuple(chosen), tuple(ambiguous), tuple(colliding))


def _all_visits(caps: Path) -> Iterator[Visit]:
    subjects = caps / "subjects"
    for subject in _listing(subjects):
        if subject.startswith("sub-"):
            for session in _listing(subjects / subject):
                if session.startswith("ses-"):
                    yield Visit(subject, session)


def _listing(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SelectionError(
            f"{folder}: cannot be read ({error.strerror or error}); check its permissions"
        ) from error


def _is_label(name: str, prefix: str) -> bool:
    # One folder: sub-1/../.. would lead out of the CAPS.
    return name.startswith(prefix) and len(name) > len(prefix) and not set("/\\\0") & set(name)


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
    t1ce = _find_crop(caps, row.subject, row.t1ce, enhanced=True)
    t1nce = _find_crop(caps, row.subject, row.t1nce, enhanced=False)
    if t1ce is not None and t1ce == t1nce:
        raise SelectionError(f"the same image on both sides, {t1ce.name}")
    return PairImages(row, t1ce, t1nce)


def _find_crop(caps: Path, subject: str, session: str | None, *, enhanced: bool) -> Path | None:
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
