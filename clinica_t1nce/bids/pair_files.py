"""Tables of pairs that are plain files: a T1ce and a T1nce of the same head on one grid."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.tsv import read_numbered

_ABSENT = ("", "n/a")
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class PairFile:
    """One row of a table of files.

    Attributes
    ----------
    name
        Name for messages: the column ``name``, else the name of the T1nce's file.
    t1ce, t1nce
        Paths; the T1ce is None of a T1nce alone.
    """

    name: str
    t1ce: Path | None
    t1nce: Path


def read_files(tsv: Path) -> dict[str, list[PairFile]]:
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
    divided: dict[str, list[PairFile]] = {split: [] for split in _SPLITS}
    seen: dict[tuple[Path | None, Path], int] = {}
    for line, cells in rows:
        split = cells.get("split", "").lower()
        split = "train" if split in _ABSENT else split
        if split not in divided:
            raise SelectionError(
                f"{tsv}: row {line}: split {split!r}; write {', '.join(_SPLITS)} or n/a"
            )
        t1ce, t1nce = _path(tsv, line, cells, "t1ce"), _path(tsv, line, cells, "t1nce")
        if t1nce is None:
            raise SelectionError(f"{tsv}: row {line} names no T1nce; complete it, or take it out")
        before = seen.setdefault((t1ce, t1nce), line)
        if before != line:
            raise SelectionError(f"{tsv}: rows {before} and {line} name the same files; keep one")
        name = cells.get("name", "") or t1nce.name
        divided[split].append(PairFile(name, t1ce, t1nce))
    if not divided["train"]:
        raise SelectionError(f"{tsv}: no pair to train on; look at its column split")
    names = [row.name for split in divided.values() for row in split]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SelectionError(f"{tsv}: two rows are called {twice[0]!r}; give each its own name")
    return divided


def _path(tsv: Path, line: int, cells: Mapping[str, str], column: str) -> Path | None:
    if cells[column].lower() in _ABSENT:
        return None
    path = tsv.parent / cells[column]
    if not path.is_file():
        raise SelectionError(f"{tsv}: row {line}: {path}: no such file; check column {column}")
    return path
