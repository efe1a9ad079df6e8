"""Tables of pairs of T1ce and T1nce, in a CAPS or plain files, and what each pair is used for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from clinica_t1nce.errors import SelectionError, some
from clinica_t1nce.files.text import read_numbered

Split = Literal["train", "validation", "test"]
TRAIN, VALIDATION, TEST = SPLITS = get_args(Split)
QUALITIES = ("low", "medium", "good")

OURS = ("participant_id", "session_id_t1nce", "session_id_t1ce")
AUTHORS = ("participant_id", "session_id_1", "diagnosis_1", "session_id_2", "diagnosis_2")
"""The columns of the paper's code; without labels that tell, session 1 holds the T1ce."""

_ABSENT = ("", "n/a")
_ENHANCED = {"gado_1": True, "gaudo_1": True, "t1ce": True}
_PLAIN = {"gado_0": False, "gaudo_0": False, "t1nce": False}
_LABELS = {**_ENHANCED, **_PLAIN}


@dataclass(frozen=True)
class PairRow:
    """One row of a table of pairs.

    Attributes
    ----------
    subject
        Participant, with the prefix ``sub-``.
    t1ce, t1nce
        Sessions, with the prefix ``ses-``; None where only the other image is there, of
        which unpaired training makes use.
    split
        Part of the training: ``"train"``, ``"validation"``, ``"test"``, or None if the table does
        not say.
    fold
        Fold of the cross-validation, or None.
    quality
        Grade of the T1ce: ``"low"``, ``"medium"``, ``"good"``, or None if the table does not say.
    line
        Line in the file.
    """

    subject: str
    t1ce: str | None
    t1nce: str | None
    split: str | None = None
    fold: int | None = None
    quality: str | None = None
    line: int = 0

    def __str__(self) -> str:
        """Name the participant and the line."""
        return f"{self.subject} (row {self.line})"


@dataclass(frozen=True)
class PairFiles:
    """The images of a pair; of unpaired images one is None."""

    name: str
    t1ce: Path | None
    t1nce: Path | None


@dataclass(frozen=True)
class PairTable:
    """A table as it was read: its header, its cells, and what each row means."""

    header: tuple[str, ...]
    cells: tuple[Mapping[str, str], ...]
    rows: tuple[PairRow, ...]


def read_pairs(tsv: Path, *, unpaired: bool = False) -> PairTable:
    """Read a table of pairs, in our form or the paper's authors'.

    Ours has the columns :data:`OURS`, the authors' :data:`AUTHORS`. In theirs the labels decide
    which session is the T1ce (``gado_1`` or ``T1ce`` against ``gado_0`` or ``T1nce``); labels
    that say nothing of gadolinium leave it to session 1, as in their code. Both may have the
    columns ``split`` (:data:`SPLITS`), ``fold`` (numbers from 0) and ``quality``
    (:data:`QUALITIES`); other columns are kept and ignored.

    Parameters
    ----------
    tsv
        Tab-separated, UTF-8, with a header.
    unpaired
        Whether rows with one image only are allowed: the other session is empty or ``n/a``.

    Raises
    ------
    SelectionError
        If it cannot be read, lacks columns, a cell cannot be used, a row is there twice, or a
        participant is in more than one split or fold.
    """
    header, lines = _read_cells(tsv)
    cells, rows = [], []
    for number, named in lines:
        cells.append(named)
        rows.append(_parse_row(tsv, number, named, unpaired))
    if not rows:
        raise SelectionError(f"{tsv}: lists no pair; add one row for each")
    _check_rows(tsv, rows)
    return PairTable(header, tuple(cells), tuple(rows))


def read_usable(tsv: Path) -> tuple[list[tuple[PairRow, Mapping[str, str]]], dict[str, str]]:
    """Read a table of pairs as :func:`read_pairs` does, but go on where a row cannot be used.

    Of a pair that is there twice the first row is kept. Splits and folds may cut participants.

    Parameters
    ----------
    tsv
        Tab-separated, UTF-8, with a header.

    Returns
    -------
    rows : list
        Each with its cells.
    problems : dict
        The others: participant and line, and what is wrong.

    Raises
    ------
    SelectionError
        If the table cannot be read, lacks columns or is empty.
    """
    _, lines = _read_cells(tsv)
    usable: list[tuple[PairRow, Mapping[str, str]]] = []
    problems: dict[str, str] = {}
    seen: dict[tuple, int] = {}
    for number, named in lines:
        label = f"{named['participant_id'] or 'no participant'} (row {number})"
        try:
            row = _parse_row(tsv, number, named, False)
        except SelectionError as error:
            problems[label] = str(error)
            continue
        before = seen.setdefault((row.subject, row.t1ce, row.t1nce), number)
        if before == number:
            usable.append((row, named))
        else:
            problems[label] = f"{tsv}: row {number}: the same pair as row {before}; keep one"
    if not lines:
        raise SelectionError(f"{tsv}: lists no pair; add one row for each")
    return usable, problems


def read_files(tsv: Path) -> dict[str, list[PairFiles]]:
    """Read a table of pairs that are plain files.

    Parameters
    ----------
    tsv
        Tab-separated, UTF-8, with the columns ``t1ce`` and ``t1nce`` (paths, absolute or relative
        to the table; ``t1ce`` is empty or ``n/a`` of a T1nce alone) and, if wanted, ``split``
        (``train``, the default, ``validation`` or ``test``) and ``name``.

    Returns
    -------
    dict
        The rows of each split.

    Raises
    ------
    SelectionError
        If the table cannot be read or lacks a column, a file is not there, a row is there twice,
        or nothing is left to train on.
    """
    _, rows = read_numbered(tsv, ("t1ce", "t1nce"))
    divided: dict[str, list[PairFiles]] = {split: [] for split in SPLITS}
    seen: dict[tuple[Path | None, Path], int] = {}
    for line, cells in rows:
        split = _choice(tsv, line, "split", cells, SPLITS) or TRAIN
        t1ce, t1nce = _path(tsv, line, cells, "t1ce"), _path(tsv, line, cells, "t1nce")
        if t1nce is None:
            raise SelectionError(f"{tsv}: row {line} names no T1nce; complete it, or take it out")
        before = seen.setdefault((t1ce, t1nce), line)
        if before != line:
            raise SelectionError(f"{tsv}: rows {before} and {line} name the same files; keep one")
        name = cells.get("name", "") or t1nce.name
        divided[split].append(PairFiles(name, t1ce, t1nce))
    if not divided[TRAIN]:
        raise SelectionError(f"{tsv}: no pair to train on; look at its column split")
    names = [row.name for split in divided.values() for row in split]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SelectionError(f"{tsv}: two rows are called {twice[0]!r}; give each its own name")
    return divided


def divide(
    rows: Sequence[PairRow], tsv: Path, fold: int | None = None, *, low_quality: bool = False
) -> dict[str, list[PairRow]]:
    """Say which rows are trained on, which validated on, and which left for the test.

    Parameters
    ----------
    rows
        Rows of a table. Those whose split is not said are trained on.
    tsv
        Path of the table, for messages.
    fold
        Validate on this fold and train on the others; None: as the column ``split`` says.
    low_quality
        Train on pairs of low quality, too; the paper only tests on them.

    Returns
    -------
    dict
        The rows of each of :data:`SPLITS`.

    Raises
    ------
    SelectionError
        If the table has no such fold, or nothing is left to train on.
    """
    folds = {row.fold for row in rows} - {None}
    if fold is not None and fold not in folds:
        raise SelectionError(
            f"{tsv}: no fold {fold} (column fold: {some(sorted(map(str, folds))) or 'absent'}); "
            "make folds with `clinica-t1nce split --folds`"
        )
    divided: dict[str, list[PairRow]] = {split: [] for split in SPLITS}
    for row in rows:
        split = row.split or TRAIN
        if split != TEST and fold is not None:
            split = VALIDATION if row.fold == fold else TRAIN
        if row.quality == "low" and not low_quality:
            split = TEST
        divided[split].append(row)
    if not divided[TRAIN]:
        raise SelectionError(f"{tsv}: no pair to train on; look at its columns split and quality")
    return divided


def _read_cells(tsv: Path) -> tuple[tuple[str, ...], list[tuple[int, dict[str, str]]]]:
    header, rows = read_numbered(tsv)
    if not set(OURS) <= set(header) and not set(AUTHORS) <= set(header):
        raise SelectionError(
            f"{tsv}: its first line must name the columns {', '.join(OURS)}, or "
            f"{', '.join(AUTHORS)}, separated by tabs"
        )
    return tuple(header), rows


def _parse_row(tsv: Path, line: int, cells: Mapping[str, str], unpaired: bool) -> PairRow:
    subject = cells["participant_id"]
    t1ce, t1nce = _sessions_of_row(tsv, line, cells)
    for value, prefix in ((subject, "sub-"), (t1ce, "ses-"), (t1nce, "ses-")):
        if value is not None and not value.startswith(prefix):
            raise SelectionError(f"{tsv}: row {line}: {value!r} does not begin with {prefix}")
    if t1ce is None or t1nce is None:
        if not unpaired:
            raise SelectionError(
                f"{tsv}: row {line} ({subject}) names one session only; complete it, take it out, "
                "or train with --unpaired"
            )
        if t1ce is t1nce:
            raise SelectionError(f"{tsv}: row {line} ({subject}) names no session")
    return PairRow(
        subject,
        t1ce,
        t1nce,
        split=_choice(tsv, line, "split", cells, SPLITS),
        fold=_fold(tsv, line, cells),
        quality=_choice(tsv, line, "quality", cells, QUALITIES),
        line=line,
    )


def _sessions_of_row(
    tsv: Path, line: int, cells: Mapping[str, str]
) -> tuple[str | None, str | None]:
    if "session_id_t1ce" in cells:
        return _cell_or_none(cells["session_id_t1ce"]), _cell_or_none(cells["session_id_t1nce"])
    first, second = _cell_or_none(cells["session_id_1"]), _cell_or_none(cells["session_id_2"])
    labels = [_LABELS.get(cells[f"diagnosis_{side}"].lower()) for side in (1, 2)]
    if None not in labels and labels[0] == labels[1]:
        raise SelectionError(
            f"{tsv}: row {line}: both sessions are labelled {cells['diagnosis_1']!r}; "
            "one must be the T1ce (gado_1), the other the T1nce (gado_0)"
        )
    reverse = labels[0] is False or labels[1] is True
    return (second, first) if reverse else (first, second)


def _cell_or_none(cell: str) -> str | None:
    return None if cell.lower() in _ABSENT else cell


def _choice(
    tsv: Path, line: int, column: str, cells: Mapping[str, str], known: Sequence[str]
) -> str | None:
    value = _cell_or_none(cells.get(column, ""))
    if value is None or value.lower() in known:
        return None if value is None else value.lower()
    raise SelectionError(f"{tsv}: row {line}: {column} {value!r}; write {', '.join(known)} or n/a")


def _fold(tsv: Path, line: int, cells: Mapping[str, str]) -> int | None:
    value = _cell_or_none(cells.get("fold", ""))
    if value is None or value.isdecimal():
        return None if value is None else int(value)
    raise SelectionError(f"{tsv}: row {line}: fold {value!r} is neither a number from 0 nor n/a")


def _check_rows(tsv: Path, rows: Sequence[PairRow]) -> None:
    seen: dict[tuple, int] = {}
    parts: dict[str, set] = {}
    for row in rows:
        before = seen.setdefault((row.subject, row.t1ce, row.t1nce), row.line)
        if before != row.line:
            raise SelectionError(
                f"{tsv}: {row.subject} is there twice (rows {before} and {row.line}); keep one"
            )
        parts.setdefault(row.subject, set()).add((row.split, row.fold))
    torn = sorted(subject for subject, found in parts.items() if len(found) > 1)
    if torn:
        raise SelectionError(
            f"{tsv}: in more than one split or fold: {some(torn)}; keep each participant in one "
            "(`clinica-t1nce split` does)"
        )


def _path(tsv: Path, line: int, cells: Mapping[str, str], column: str) -> Path | None:
    if _cell_or_none(cells[column]) is None:
        return None
    path = tsv.parent / cells[column]
    if not path.is_file():
        raise SelectionError(f"{tsv}: row {line}: {path}: no such file; check column {column}")
    return path
