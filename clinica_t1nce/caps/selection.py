"""Which crops of a CAPS are taken for T1ce, and why."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from clinica_t1nce.bids import contrast_agents
from clinica_t1nce.bids.contrast_agents import has_contrast
from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.bids.t1w_images import Dataset
from clinica_t1nce.caps import names, query
from clinica_t1nce.caps.query import (
    ALL,
    AS_T1NCE,
    IMAGE,
    METADATA,
    RULES,
    TSV,
    Crop,
    Rule,
    SelectedBy,
    Selection,
    Shard,
)
from clinica_t1nce.errors import SelectionError

SEEN = 0.5
"""Probability from which gadolinium counts as seen in an image."""


@dataclass(frozen=True)
class SelectionRequest:
    """Which images are asked for.

    Attributes
    ----------
    caps
        Root of the CAPS.
    rule
        Rule that makes a crop a T1ce: ``metadata`` (the entity ``ce-``, then, if `dataset` is
        given, sidecar and ``scans.tsv``: :mod:`clinica_t1nce.bids.contrast_agents`), ``tsv`` (being
        listed), ``all`` (being there), ``image`` (a probability of at least :data:`SEEN`).
    tsv
        Table of the only visits to look at; needed by the rule ``tsv``.
    dataset
        BIDS that t1-linear read.
    probabilities
        Probability of each crop that gadolinium was given, as far as it is known: of the others,
        the rule ``image`` leaves `Crop.selected_by` open.
    include_t1nce
        Whether the other crops are taken, too, so that all images have gone through the same
        generator.
    shard
        Part of the visits to look at; None for all.
    """

    caps: Path
    rule: Rule = METADATA
    tsv: Path | None = None
    dataset: Dataset | None = None
    probabilities: Mapping[Path, float] = field(default_factory=dict)
    include_t1nce: bool = False
    shard: Shard | None = None


def rule_for(rule: Rule | None, tsv: Path | None) -> Rule:
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


def candidates(request: SelectionRequest) -> list[tuple[Visit, Path]]:
    """List the crops that the rule looks at.

    Raises
    ------
    SelectionError
        If there is none, or the table lists a visit that has none.
    """
    if request.tsv is None:
        found = list(query.find_crops(request.caps))
        if not found:
            raise query.no_crops(request.caps)
    else:
        found = query.listed_crops(request.caps, request.tsv)
    shard = request.shard
    return found if shard is None else [item for item in found if shard.holds(item[0])]


def select(request: SelectionRequest) -> Selection:
    """Find the images that are asked for.

    Raises
    ------
    SelectionError
        If nothing is found, but for a shard, which may be empty, or a table cannot be used.
    """
    every = candidates(request)
    by_tsv = request.rule == TSV
    with_ce = {path.parent for _, path in every if by_tsv and has_contrast(path.name)}
    chosen, undecided = [], {}
    for visit, path in every:
        if request.rule == IMAGE and path not in request.probabilities:
            chosen.append(Crop(visit, path, None))
            continue
        try:
            selected_by = _select_one(request, path)
        except SelectionError as error:
            undecided[path] = error
            continue
        if by_tsv and path.parent in with_ce and not has_contrast(path.name):
            # Of a listed visit with crops of both kinds, the one without ce- is its T1nce.
            selected_by = None
        if selected_by is None and request.include_t1nce:
            selected_by = SelectedBy(AS_T1NCE)
        if selected_by is not None:
            chosen.append(Crop(visit, path, selected_by))
    if not chosen and not undecided and request.shard is None:
        raise SelectionError(_nothing(request, len(every)))
    return replace(query.without_collisions(chosen), undecided=undecided)


def find_undecided(
    crops: Iterable[tuple[Visit, Path]], dataset: Dataset | None
) -> dict[Path, SelectionError]:
    """Look which crops have metadata that cannot be read or are not understood; give the errors."""
    undecided = {}
    for _, crop in crops:
        try:
            find_crop_evidence(crop, dataset)
        except SelectionError as error:
            undecided[crop] = error
    return undecided


def by_image(probability: float, include_t1nce: bool) -> SelectedBy | None:
    """Decide by the probability that gadolinium was given; None: the image is not taken."""
    if probability >= SEEN:
        return SelectedBy(IMAGE)
    return SelectedBy(AS_T1NCE) if include_t1nce else None


def find_crop_evidence(crop: Path, dataset: Dataset | None) -> str | None:
    """Say what shows that a crop is contrast-enhanced; None if nothing does.

    Parameters
    ----------
    crop
        Path of a crop of t1-linear.
    dataset
        BIDS that it comes from; None: its name alone is looked at.

    Raises
    ------
    SelectionError
        If a sidecar or ``scans.tsv`` cannot be read, or says something that is not known.
    """
    if dataset is None:
        return contrast_agents.find_evidence(crop.name, {})
    raw = names.raw_path(crop, dataset.root)
    try:
        return dataset.evidence(Visit(raw.parts[-4], raw.parts[-3]), raw)
    except OSError as error:
        raise SelectionError(
            f"{error.filename}: cannot be read ({error.strerror}); check its permissions"
        ) from error


def contradiction(reason: str | None, probability: float | None) -> str | None:
    """Say how metadata and image contradict each other; None if they do not.

    Parameters
    ----------
    reason
        Result of :func:`find_crop_evidence`.
    probability
        Probability that gadolinium was given, by the image.
    """
    if probability is None or (reason is not None) == (probability >= SEEN):
        return None
    if reason is None:
        return "the image shows gadolinium, the metadata do not"
    return f"the metadata say gadolinium ({reason}), the image shows none"


def _select_one(request: SelectionRequest, crop: Path) -> SelectedBy | None:
    if request.rule == TSV:
        return SelectedBy(TSV)
    if request.rule == IMAGE:
        return by_image(request.probabilities[crop], False)
    if request.rule == METADATA:
        reason = find_crop_evidence(crop, request.dataset)
        return None if reason is None else SelectedBy(METADATA, reason)
    with suppress(SelectionError):
        return SelectedBy(ALL, find_crop_evidence(crop, request.dataset))
    return SelectedBy(ALL)


def none_shows_gadolinium(caps: Path, number: int) -> str:
    """Say that the rule ``image`` has taken none of a number of crops."""
    return (
        f"{caps}: none of its {number} crops shows gadolinium; see gadolinium.tsv, or "
        "select by --select metadata, tsv or all"
    )


def _nothing(request: SelectionRequest, number: int) -> str:
    if request.rule == IMAGE:
        return none_shows_gadolinium(request.caps, number)
    where = "has the entity ce- in its name"
    if request.dataset is not None:
        where += ", or an agent in sidecar or scans.tsv"
    return (
        f"{request.caps}: no T1ce among its {number} crops (none {where}); name them in a TSV "
        "with the columns participant_id and session_id (-tsv FILE), let the images tell "
        "(--select image), give the BIDS for its sidecars (--bids-directory), or put the BIDS "
        "entity ce-<agent> into the names of the T1w and run `clinica run t1-linear` again"
    )
