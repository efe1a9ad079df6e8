"""Whether a BIDS image was acquired after an injection of contrast agent, and by which words."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from clinica_t1nce.bids.entities import contrast_label
from clinica_t1nce.errors import AgentWordError, SelectionError, some
from clinica_t1nce.files.text import read_numbered, read_rows

Meaning = Literal["given", "none", "nothing", "unknown"]
"""``given``: an agent, or that there was one; ``none``: that there was none; ``nothing``: nothing
said; ``unknown``: a word that is in no list here."""

Words = Mapping[str, Meaning]
"""Meanings by word, as :func:`plain` writes it: what a user says of words."""

NO_WORDS: Words = MappingProxyType({})


@cache
def _known_words() -> Mapping[str, frozenset[str]]:
    """Read the words that are known, by kind."""
    words: dict[str, set[str]] = {}
    for row in read_rows(Path(__file__).with_name("contrast_words.tsv"), ["kind", "words"]):
        words.setdefault(row["kind"], set()).update(row["words"].split(", "))
    return {kind: frozenset(found) for kind, found in words.items()}


NOTHING = _known_words()["nothing"]
"""Phrases that say nothing."""

NEGATIONS = _known_words()["negation"]
"""Words that say that there was none, alone or of what they stand beside."""

AFFIRMATIONS = _known_words()["affirmation"]
"""Words that say that there was one."""

_BESIDE = _known_words()["beside"]
"""Words that may stand beside a negation or an affirmation."""

_DOUBTS = _known_words()["doubt"]

AGENT = re.compile(rf"\b(gad|gad[aeio]\w*|gd\w*|{'|'.join(_known_words()['brand'])})\b")
"""Names of agents in a plain phrase: of substances, all that begin as gadolinium does; brands; and
the other ingredients that BIDS knows."""

_SIGN = re.compile(r"(?:c|ce|gd|gado|km|contrast|t1c|iv)([+-])|(\+)(?:c|ce|gd|gado|km|contrast)")
"""An abbreviation of contrast with a sign."""

_NUMBER = re.compile(
    r"[-+]?(\d+(?:[.,]\d*)?)(?:e[-+]?\d+)?(?: ?(?:ml|cc|mg|mmol|g|l|μl|ul)(?:/kg)?)?"
)

_AROUND = " '\"`()[]{}<>.,;:"
"""What may stand around a word without a meaning."""

_JOINED = re.compile(
    r"(?P<before>non?|not|without|wo|pre|post|with|sans|avec|ohne|mit|kein|keine|zonder|sin|con)"
    r"(?P<after>contrast\w*|kontrast\w*|gad\w*|gd\w*|inj\w*|km|ce|enhance\w*|agent)"
)
"""Words written as one, as in BIDS labels: ``nocontrast``, ``preGd``."""


BY_ENTITY = "ce entity"
BY_SCANS = "scans.tsv"

FIELDS = ("ContrastBolusIngredient", "ContrastBolusAgent")
"""Fields of a sidecar, and columns of scans.tsv, that name the agent."""


def meaning(value: Any, words: Words = NO_WORDS) -> Meaning:
    """Say what a metadata field on the contrast agent means.

    Parameters
    ----------
    value
        Value of the field, of any type. Numbers are no agents and say nothing, but for a dose of
        0; of a list, the strongest of ``given``, ``unknown``, ``none`` counts.
    words
        Meanings that overrule the lists of this module.

    Examples
    --------
    >>> meaning("Dotarem 10 ml"), meaning("Sans injection"), meaning("-"), meaning("contrasty")
    ('given', 'none', 'nothing', 'unknown')
    """
    if value is None or (isinstance(value, float) and value != value):
        return "nothing"
    if isinstance(value, bool):
        return "given" if value else "none"
    if isinstance(value, int | float):
        return words.get(plain(str(value)), "none" if value == 0 else "nothing")
    if isinstance(value, list):
        found = {meaning(item, words) for item in value}
        return next((kind for kind in ("given", "unknown", "none") if kind in found), "nothing")
    return words.get(plain(as_word(value))) or _meaning(as_word(value))


def label_meaning(label: str, words: Words = NO_WORDS) -> Meaning:
    """Say what the label of a BIDS entity ``ce`` means: given, unless the word says otherwise.

    Examples
    --------
    >>> label_meaning("gadolinium"), label_meaning("none"), label_meaning("preGd")
    ('given', 'none', 'none')
    >>> label_meaning("noce"), label_meaning("noinjury")
    ('none', 'unknown')
    """
    found = meaning(label, words)
    denied = any(word in NEGATIONS for word in _split(plain(label)))
    if (found == "unknown" and not denied) or (found == "nothing" and label.isdigit()):
        return "given"
    return found if plain(label) else "unknown"


def find_agent(value: Any) -> str | None:
    """Give the agent that a field names, or None where it names none.

    Examples
    --------
    >>> find_agent(["Gadovist"]), find_agent("yes"), find_agent("no gadolinium")
    ('Gadovist', None, None)
    """
    for item in value if isinstance(value, list) else [value]:
        if meaning(item) == "given" and isinstance(item, str) and AGENT.search(plain(item)):
            return " ".join(_without_controls(item).split())
    return None


def as_word(value: Any) -> str:
    """Write a value as the word that a table of words would have for it."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=True, default=str)
    return " ".join(_without_controls(text).split())


@lru_cache(4096)
def plain(text: str) -> str:
    """Write a phrase without case, accents, punctuation and control characters.

    Examples
    --------
    >>> plain(' "Non injecté" '), plain("N/A")
    ('non injecte', 'n a')
    """
    return " ".join(re.findall(r"[^\W_]+", _folded(text)))


def read_words(path: Path | None) -> Words:
    """Read what words mean from a table with the columns ``word`` and ``meaning``, if there is one.

    ``meaning`` is ``given``, ``none`` or ``nothing``.

    Raises
    ------
    SelectionError
        If it cannot be read, lists a word twice, or a meaning is none of these.
    """
    if path is None:
        return NO_WORDS
    known: dict[str, Meaning] = {"given": "given", "none": "none", "nothing": "nothing"}
    words: dict[str, Meaning] = {}
    for number, row in read_numbered(path, ["word", "meaning"])[1]:
        kind = known.get(row["meaning"].lower())
        if kind is None:
            raise SelectionError(
                f"{path}: row {number}: meaning {row['meaning']!r}; write {', '.join(known)}"
            )
        if words.setdefault(plain(row["word"]), kind) != kind:
            raise SelectionError(f"{path}: row {number}: {row['word']!r} twice, with two meanings")
    return words


def find_evidence(
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
        Meanings of words, from :func:`read_words`.

    Returns
    -------
    str or None
        ``"ce entity"``, the name of the sidecar's field, or ``"scans.tsv"``.

    Raises
    ------
    AgentWordError
        If nothing shows an agent, and a field says something that is in no list of this module.

    Examples
    --------
    >>> find_evidence("sub-01_ses-1_T1w.nii.gz", {"ContrastBolusAgent": "Dotarem"})
    'ContrastBolusAgent'
    """
    label = contrast_label(name)
    if label is not None:
        said = label_meaning(label, words)
        if said == "unknown":
            raise AgentWordError(f"{name}: {_unknown('the entity ce-', label)}", [f"ce-{label}"])
        if said != "nothing":
            return BY_ENTITY if said == "given" else None
    row = scans_row or {}
    values = [(field, field, metadata.get(field)) for field in FIELDS]
    values += [(BY_SCANS, column, value) for column, value in row.items() if is_field(column)]
    unknown: dict[str, str] = {}
    for source, field, value in values:
        said = meaning(value, words)
        if said == "given":
            return source
        if said == "unknown":
            unknown.setdefault(as_word(value), field)
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
    return label is not None and label_meaning(label) == "given"


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
    letters = re.sub(r"[^a-z0-9]", "", column.lower())
    return letters in {field.lower() for field in FIELDS}


@lru_cache(4096)
def _meaning(text: str) -> Meaning:
    phrase = plain(text)
    folded = _folded(text).strip(_AROUND)
    sign = _SIGN.fullmatch(folded)
    if sign:
        return "none" if sign[1] == "-" else "given"
    number = _NUMBER.fullmatch(folded)
    if number:
        if float(number[1].replace(",", ".")) == 0:
            return "none"
        return "nothing" if folded[-1].isdigit() or folded[-1] in ".," else "unknown"
    if not phrase or phrase in NOTHING:
        return "nothing"
    return _of_words(_split(phrase))


def _of_words(found: list[str]) -> Meaning:
    phrase = " ".join(found)
    negated = any(word in NEGATIONS for word in found)
    affirmed = any(word in AFFIRMATIONS for word in found)
    rest = [
        word
        for word in AGENT.sub(" ", phrase).split()
        if word not in NEGATIONS | AFFIRMATIONS | _BESIDE and not word.isdigit()
    ]
    if negated:
        # "no ce" and "not enhanced" say no; "yes, no" says nothing.
        contradicted = any(word in AFFIRMATIONS - _BESIDE for word in found)
        return "unknown" if rest or contradicted else "none"
    if AGENT.search(phrase):
        return "unknown" if _DOUBTS & set(found) else "given"
    return "given" if affirmed and not rest else "unknown"


def _split(phrase: str) -> list[str]:
    words: list[str] = []
    for word in phrase.replace("w o ", "without ").replace("w o", "without").split():
        joined = _JOINED.fullmatch(word)
        words += [joined["before"], joined["after"]] if joined else [word]
    return words


def _folded(text: str) -> str:
    apart = unicodedata.normalize("NFKD", _without_controls(text).casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


@lru_cache(4096)
def _without_controls(text: str) -> str:
    return "".join(
        " " if letter.isspace() else letter
        for letter in text
        if letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cf", "Cs")
    )


def _unknown(field: str, word: str) -> str:
    return (
        f"{field} {word!r} is no word known for an agent or for none; say what it means with "
        "--agent-words"
    )
