"""Which crops of a CAPS are taken for T1ce, and why."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from clinica_t1nce.bids import contrast
from clinica_t1nce.bids.contrast import has_contrast
from clinica_t1nce.bids.dataset import Dataset
from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import names, query
from clinica_t1nce.caps.query import Crop, Selection
from clinica_t1nce.errors import SelectionError

METADATA, TSV, ALL, IMAGE = "metadata", "tsv", "all", "image"
RULES = (METADATA, TSV, ALL, IMAGE)

AS_T1NCE = "include-t1nce"
"""Reason of an image that is no T1ce, and is to go through the generator all the same."""

SEEN = 0.5
"""Probability from which gadolinium counts as seen in an image."""


@dataclass(frozen=True)
class Request:
    """Which images are asked for.

    Attributes
    ----------
    caps
        Root of the CAPS.
    rule
        What makes a crop a T1ce: ``metadata`` (the entity ``ce-``, then, if `dataset` is given,
        sidecar and ``scans.tsv``: :func:`clinica_t1nce.bids.contrast.evidence`), ``tsv`` (being
        listed), ``all`` (being there), ``image`` (a probability of at least :data:`SEEN`).
    tsv
        Table of the only visits to look at; needed by the rule ``tsv``.
    dataset
        The BIDS that t1-linear read.
    probabilities
        By crop, that gadolinium was given: the only crops that the rule ``image`` looks at.
    include_t1nce
        Take the other crops, too, so that all images have gone through the same generator.
    """

    caps: Path
    rule: str = METADATA
    tsv: Path | None = None
    dataset: Dataset | None = None
    probabilities: Mapping[Path, float] = field(default_factory=dict)
    include_t1nce: bool = False


def rule_for(rule: str | None, tsv: Path | None) -> str:
    """Give the rule that holds where none is given: ``tsv`` with a table, else ``metadata``.

    Raises
    ------
    SelectionError
        If the rule is unknown, or ``tsv`` without a table.
    """
    if rule is None:
        return METADATA if tsv is None else TSV
    if rule not in RULES:
        raise SelectionError(f"unknown rule {rule!r} to select by; known: {', '.join(RULES)}")
    if rule == TSV and tsv is None:
        raise SelectionError("--select tsv needs a table of visits; name it with -tsv FILE")
    return rule


def candidates(request: Request) -> list[tuple[Visit, Path]]:
    """List the crops that the rule is to judge.

    Raises
    ------
    SelectionError
        If there is none, or the table lists a visit that has none.
    """
    if request.tsv is None:
        found = list(query.find_crops(request.caps))
        if not found:
            raise query.no_crops(request.caps)
        return found
    return query.listed_crops(request.caps, request.tsv)


def select(request: Request) -> Selection:
    """Find the images that are asked for.

    Raises
    ------
    SelectionError
        If nothing is found, or a table cannot be used.
    """
    every = candidates(request)
    with_ce = {path.parent for _, path in every if has_contrast(path.name)}
    chosen, undecided = [], {}
    for visit, path in every:
        if request.rule == IMAGE and path not in request.probabilities:
            continue
        try:
            reason = _reason(request, path)
        except SelectionError as error:
            undecided[path] = error
            continue
        if reason == query.BY_TSV and path.parent in with_ce and not has_contrast(path.name):
            # Of a listed visit with crops of both kinds, the one without ce- is its T1nce.
            reason = None
        if reason is None and request.include_t1nce:
            reason = AS_T1NCE
        if reason is not None:
            chosen.append(Crop(visit, path, reason))
    asked = request.include_t1nce or any(crop.selected_by != AS_T1NCE for crop in chosen)
    if not asked and not undecided:
        raise SelectionError(_nothing(request, len(every)))
    return replace(query.without_collisions(chosen), undecided=undecided)


def find_undecided(
    crops: Iterable[tuple[Visit, Path]], dataset: Dataset | None
) -> dict[Path, SelectionError]:
    """Look which crops have metadata that cannot be read or are not understood; give the errors."""
    undecided = {}
    for _, crop in crops:
        try:
            evidence(crop, dataset)
        except SelectionError as error:
            undecided[crop] = error
    return undecided


def evidence(crop: Path, dataset: Dataset | None) -> str | None:
    """Say what shows that a crop is contrast-enhanced; None if nothing does.

    Parameters
    ----------
    crop
        A crop of t1-linear.
    dataset
        The BIDS that it comes from; None: its name alone is looked at.

    Raises
    ------
    SelectionError
        If a sidecar or ``scans.tsv`` cannot be read, or says something that is not known.
    """
    if dataset is None:
        return contrast.evidence(crop.name, {})
    raw = names.raw_path(crop, dataset.root)
    return dataset.evidence(Visit(raw.parts[-4], raw.parts[-3]), raw)


def contradiction(reason: str | None, probability: float | None) -> str | None:
    """Say how metadata and image contradict each other; None if they do not.

    Parameters
    ----------
    reason
        From :func:`evidence`.
    probability
        That gadolinium was given, by the image.
    """
    if probability is None or (reason is not None) == (probability >= SEEN):
        return None
    if reason is None:
        return "the image shows gadolinium, the metadata do not"
    return f"the metadata say gadolinium ({reason}), the image shows none"


def _reason(request: Request, crop: Path) -> str | None:
    if request.rule == TSV:
        return query.BY_TSV
    if request.rule == ALL:
        with suppress(SelectionError):
            return evidence(crop, request.dataset) or ALL
        return ALL
    if request.rule == METADATA:
        return evidence(crop, request.dataset)
    return IMAGE if request.probabilities[crop] >= SEEN else None


def _nothing(request: Request, number: int) -> str:
    if request.rule == IMAGE:
        return (
            f"{request.caps}: none of its {number} crops shows gadolinium; see gadolinium.tsv, or "
            "select by --select metadata, tsv or all"
        )
    where = "has the entity ce- in its name"
    if request.dataset is not None:
        where += ", or an agent in sidecar or scans.tsv"
    return (
        f"{request.caps}: no T1ce among its {number} crops (none {where}); name them in a TSV "
        "with the columns participant_id and session_id (-tsv FILE), let the images tell "
        "(--select image), give the BIDS for its sidecars (--bids-directory), or put the BIDS "
        "entity ce-<agent> into the names of the T1w and run `clinica run t1-linear` again"
    )
