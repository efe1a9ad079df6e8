"""What the name of a BIDS file says: the visit, entities, suffix and extension.

Names are taken apart by pybids' parser, with patterns of our own: pybids' patterns end a label at
the first dot, so that ``acq-1.5T`` is ``acq-1`` and the rest an extension. They are changed part by
part rather than built anew by pybids, which would drop what it does not know and sort the rest.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.text import read_json

if TYPE_CHECKING:
    from bids.layout import Config

EXTENSIONS = (".nii.gz", ".nii", ".json", ".tsv")
"""All that is an extension; a dot anywhere else belongs to a label."""

IMAGE_EXTENSIONS = EXTENSIONS[:2]

_ORDER = (
    "sub ses sample task tracksys acq nuc voi ce trc stain rec dir run mod echo flip inv mt part "
    "proc hemi space split recording chunk atlas seg scale res den label desc"
)
KEYS = tuple(_ORDER.split())
"""Entities of BIDS and its derivatives that images and tables may have, in the order of names."""

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

_CONTRAST = re.compile(r"(?:^|[/_])ce-([^/_]*)(?=_|$)", re.IGNORECASE)

BEFORE_CE = KEYS[: KEYS.index("ce")]


class Visit(NamedTuple):
    """A participant's session, with the prefixes ``sub-`` and ``ses-``."""

    subject: str
    session: str

    def __str__(self) -> str:
        """Write both, separated by a space; the participant alone outside of sessions."""
        return " ".join(filter(None, self))


def split_extension(name: str) -> tuple[str, str]:
    """Split a name into stem and extension.

    Examples
    --------
    >>> split_extension("sub-01_acq-1.5T_T1w.nii.gz"), split_extension("sub-01_acq-1.5T")
    (('sub-01_acq-1.5T_T1w', '.nii.gz'), ('sub-01_acq-1.5T', ''))
    """
    for extension in EXTENSIONS:
        if name.lower().endswith(extension):
            return name[: -len(extension)], name[-len(extension) :]
    return name, ""


def stem(name: str) -> str:
    """Strip the extension of a BIDS name."""
    return split_extension(name)[0]


def suffix(name: str) -> str:
    """Give the suffix of a BIDS name.

    Examples
    --------
    >>> suffix("sub-01_acq-1.5T_T1w.nii.gz")
    'T1w'
    """
    return stem(name).rsplit("_", 1)[-1]


def is_t1w(name: str) -> bool:
    """Say whether a name is that of a T1w image, in any case of letters, as Clinica takes it."""
    extension = split_extension(name)[1].lower()
    return (
        name.startswith("sub-") and extension in IMAGE_EXTENSIONS and suffix(name).lower() == "t1w"
    )


def entities(name: str) -> dict[str, str]:
    """Take a BIDS name apart.

    Examples
    --------
    >>> entities("sub-01_ses-M000_acq-1.5T_run-2_T1w.nii.gz")
    {'sub': '01', 'ses': 'M000', 'acq': '1.5T', 'run': '2'}
    """
    from bids.layout import parse_file_entities

    found: dict[str, str] = parse_file_entities(stem(name), config=_config())
    return found


def contrast_label(name: str) -> str | None:
    """Give the label of the entity ``ce-``, in any case of letters; None without that entity.

    Examples
    --------
    >>> contrast_label("sub-01_CE-gd_T1w.nii.gz"), contrast_label("sub-01_acq-ce_T1w.nii.gz")
    ('gd', None)
    """
    # Asked of every image of a data set: pybids would take 0.2 ms for each.
    found = _CONTRAST.search(stem(name))
    return None if found is None else found[1]


def run_of(name: str) -> int:
    """Give the index of the entity ``run``; 0 without."""
    label = entities(name).get("run", "")
    return int(label) if label.isdecimal() else 0


def with_session(name: str, session: str) -> str:
    """Put a name into another session.

    Examples
    --------
    >>> with_session("sub-01_ses-M000_T1w.nii.gz", "ses-M000ce")
    'sub-01_ses-M000ce_T1w.nii.gz'
    """
    parts = name.split("_")
    place = next((n for n, part in enumerate(parts) if part.startswith("ses-")), None)
    if place is not None:
        parts[place] = session
    return "_".join(parts)


def with_contrast(name: str, label: str) -> str:
    """Give a name without the entity ``ce`` that entity, at its place.

    Examples
    --------
    >>> with_contrast("sub-01_ses-1_acq-x_run-2_T1w.nii.gz", "gadolinium")
    'sub-01_ses-1_acq-x_ce-gadolinium_run-2_T1w.nii.gz'
    """
    parts = name.split("_")
    place = sum(part.partition("-")[0] in BEFORE_CE for part in parts)
    return "_".join([*parts[:place], f"ce-{label}", *parts[place:]])


def without_contrast(name: str) -> str:
    """Take the entity ``ce`` out of a name.

    Examples
    --------
    >>> without_contrast("sub-01_ses-1_ce-gadolinium_run-2_T1w.nii.gz")
    'sub-01_ses-1_run-2_T1w.nii.gz'
    """
    return "_".join([part for part in name.split("_") if part[:3].lower() != "ce-"])


@lru_cache
def _config() -> "Config":
    # The import takes a second.
    from bids.layout import Config

    patterns = [{"name": key, "pattern": rf"(?:^|[/_])(?i:{key})-([^/_]*)(?=_|$)"} for key in KEYS]
    return Config("clinica-t1nce", entities=patterns)


def read_filter(path: Path) -> dict[str, Any]:
    """Read the conditions for ``t1w``; those for other kinds of image are not looked at.

    Parameters
    ----------
    path
        JSON file, such as ``{"t1w": {"session": "M000", "acquisition": null}}``.

    Returns
    -------
    dict
        Key of an entity to a label, a list of labels, ``"*"`` (any label) or None (no such entity).

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
    return wanted == "*" or _plain_index(label) == _plain_index(wanted)


def _plain_index(label: Any) -> str:
    """Write an index without leading zeros, as pybids compares them."""
    text = str(label)
    return str(int(text)) if text.isdecimal() else text
