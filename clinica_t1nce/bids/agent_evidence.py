"""Whether a BIDS image was acquired after an injection of contrast agent."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from clinica_t1nce.bids import agent_words
from clinica_t1nce.bids.agent_words import NO_WORDS, Words
from clinica_t1nce.bids.entities import contrast_label
from clinica_t1nce.errors import AgentWordError, some

BY_ENTITY = "ce entity"
BY_SCANS = "scans.tsv"

FIELDS = ("ContrastBolusIngredient", "ContrastBolusAgent")
"""Fields of a sidecar, and columns of scans.tsv, that name the agent."""


def evidence(
    name: str,
    metadata: Mapping[str, Any],
    scans_row: Mapping[str, str] | None = None,
    words: Words = NO_WORDS,
) -> str | None:
    """Say what shows that an image is contrast-enhanced; None if nothing does.

    Looked at in this order: the BIDS entity ``ce-`` of the name, then
    ``ContrastBolusIngredient`` and ``ContrastBolusAgent`` in the sidecar, then columns of these
    names in ``scans.tsv``. A name that says that there was none (``ce-none``) decides as well.

    Parameters
    ----------
    name
        File name of the image.
    metadata
        Content of its sidecar, inherited fields included.
    scans_row
        Row of ``scans.tsv`` on the image.
    words
        Meanings of words, from :func:`clinica_t1nce.bids.agent_words.read_words`.

    Returns
    -------
    str or None
        ``"ce entity"``, the name of the sidecar's field, or ``"scans.tsv"``.

    Raises
    ------
    AgentWordError
        If nothing shows an agent, and a field says something that is in no list of
        :mod:`clinica_t1nce.bids.agent_words`.

    Examples
    --------
    >>> evidence("sub-01_ses-1_T1w.nii.gz", {"ContrastBolusAgent": "Dotarem"})
    'ContrastBolusAgent'
    """
    label = contrast_label(name)
    if label is not None:
        said = agent_words.label_meaning(label, words)
        if said == "unknown":
            raise AgentWordError(f"{name}: {_unknown('the entity ce-', label)}", [f"ce-{label}"])
        if said != "nothing":
            return BY_ENTITY if said == "given" else None
    row = scans_row or {}
    values = [(field, field, metadata.get(field)) for field in FIELDS]
    values += [(BY_SCANS, column, value) for column, value in row.items() if is_field(column)]
    unknown: dict[str, str] = {}
    for source, field, value in values:
        said = agent_words.meaning(value, words)
        if said == "given":
            return source
        if said == "unknown":
            unknown.setdefault(agent_words.as_word(value), field)
    if unknown:
        problem = "; ".join(_unknown(field, word) for word, field in unknown.items())
        raise AgentWordError(f"{name}: {problem}", list(unknown))
    return None


def has_contrast(name: str) -> bool:
    """Say whether the BIDS entity ``ce-`` of a name stands for a contrast agent.

    Examples
    --------
    >>> has_contrast("sub-01_ce-gd_T1w.nii.gz"), has_contrast("sub-01_ce-none_T1w.nii.gz")
    (True, False)
    """
    label = contrast_label(name)
    return label is not None and agent_words.label_meaning(label) == "given"


def describe_unknown(errors: Iterable[Exception]) -> str | None:
    """List the words that are not known, in one line; None if there are none."""
    counts = Counter(
        word for error in errors if isinstance(error, AgentWordError) for word in error.words
    )
    if not counts:
        return None
    listed = [f"{word!r} ({number}x)" for word, number in counts.most_common()]
    return (
        f"Words on contrast agents that are not known: {some(listed, most=50)}; say what each "
        "means in a table with the columns word and meaning (given, none or nothing), and name it "
        "with --agent-words"
    )


def is_field(column: str) -> bool:
    """Say whether a column names the agent, whatever the case and the separators.

    Examples
    --------
    >>> is_field("contrast_bolus_agent"), is_field("acq_time")
    (True, False)
    """
    plain = re.sub(r"[^a-z0-9]", "", column.lower())
    return plain in {field.lower() for field in FIELDS}


def _unknown(field: str, word: str) -> str:
    return (
        f"{field} {word!r} is no word known for an agent or for none; say what it means with "
        "--agent-words"
    )
