"""Choice of T1w by their entities, in the words of fMRIPrep's ``--bids-filter-file``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clinica_t1nce.bids.entities import KEYS, entities
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.text import read_json

ENTITIES = {
    "session": "ses",
    "acquisition": "acq",
    "ceagent": "ce",
    "reconstruction": "rec",
    "direction": "dir",
    "run": "run",
    "echo": "echo",
    "part": "part",
    "space": "space",
}
"""Long names of entities, as pybids has them, and the keys that stand in file names."""

_GIVEN = {"datatype": "anat", "suffix": "T1w"}
"""Conditions that every T1w meets."""


def read_filter(path: Path) -> dict[str, Any]:
    """Read the conditions for ``t1w``; those for other kinds of image are not looked at.

    ``{"t1w": {"session": "M000", "acquisition": null}}`` gives the keys of entities with a label, a
    list of labels, ``"*"`` (any label) or None (no such entity).

    Raises
    ------
    SelectionError
        If it cannot be read, or names what is no entity.
    """
    content = read_json(path).get("t1w", {})
    if not isinstance(content, Mapping):
        raise SelectionError(f"{path}: t1w is not an object; give entities and labels")
    found = {}
    for name, wanted in content.items():
        if (name, wanted) in _GIVEN.items():
            continue
        key = ENTITIES.get(name, name)
        if key not in KEYS:
            known = ", ".join(ENTITIES)
            raise SelectionError(f"{path}: {name!r} is no entity of a T1w; known: {known}")
        found[key] = wanted
    return found


def passes(name: str, conditions: Mapping[str, Any]) -> bool:
    """Say whether the name of a T1w meets conditions from :func:`read_filter`.

    Examples
    --------
    >>> passes("sub-1_ses-a_run-01_T1w.nii.gz", {"ses": ["a", "b"], "run": 1, "acq": None})
    True
    """
    found = entities(name)
    return all(_meets(found.get(key), wanted) for key, wanted in conditions.items())


def _meets(label: str | None, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return any(_meets(label, item) for item in wanted)
    if wanted is None or label is None:
        return wanted is label
    return wanted == "*" or _plain(label) == _plain(wanted)


def _plain(label: Any) -> str:
    """Write an index without leading zeros, as pybids compares them."""
    text = str(label)
    return str(int(text)) if text.isdecimal() else text
