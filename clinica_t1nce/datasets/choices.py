"""Which image stands for a visit in a homogenised data set."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clinica_t1nce.bids.entities import Visit, entities, run_of
from clinica_t1nce.bids.t1w_images import T1CE, T1NCE, Dataset
from clinica_t1nce.caps import names, query, selection, sidecar, table
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.datasets import separation
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.content import has_changed
from clinica_t1nce.files.text import find_json, read_rows, read_unique

ACQUIRED, REGENERATED, SYNTHETIC = "acquired", "regenerated", "synthetic"


@dataclass(frozen=True)
class Candidate:
    """An image that could stand for a visit.

    Attributes
    ----------
    visit
        Visit in the data set that is homogenised: that of the patient, not of a separated view.
    path
        The image.
    kind
        Origin of the image: ``"acquired"`` (a T1nce), ``"regenerated"`` (a T1nce that has gone
        through the generator) or ``"synthetic"`` (made from a T1ce).
    session
        Session in the CAPS.
    raw
        The image that t1-linear took, in its BIDS; None if that is not known.
    crop
        The crop of t1-linear that it belongs to, is, or was made from; None outside of a CAPS.
    """

    visit: Visit
    path: Path
    kind: str
    session: str
    raw: Path | None = None
    crop: Path | None = None


@dataclass(frozen=True)
class Choice:
    """The image that stands for a visit, and why."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True)
class FoundCandidates:
    """What a CAPS offers.

    Attributes
    ----------
    candidates
        All images that could stand for a visit.
    missing
        Visits whose only images are such as have no synthetic T1nce.
    failed
        Errors by visit, of visits whose metadata cannot be read or are not understood.
    """

    candidates: tuple[Candidate, ...]
    missing: tuple[Visit, ...] = ()
    failed: Mapping[Visit, SelectionError] = field(default_factory=dict)


def find_model(caps: Path, model: str | None) -> str | None:
    """Say the synthetic images of which model are meant.

    Parameters
    ----------
    caps
        The CAPS.
    model
        Name of the weights, or None for the only ones whose images the CAPS holds.

    Returns
    -------
    str or None
        None if the CAPS holds no synthetic image.

    Raises
    ------
    SelectionError
        If the CAPS holds images of several models and none is named, or none of the named one.
    """
    prefix = "model-"
    folders = (caps / "subjects").glob(f"sub-*/ses-*/{names.FOLDER}/{prefix}*")
    there = sorted({folder.name.removeprefix(prefix) for folder in folders})
    if model is not None:
        if model not in there:
            known = f"; it has those of {', '.join(there)}" if there else ""
            raise SelectionError(f"{caps}: holds no images of a model {model}{known}")
        return model
    if len(there) > 1:
        raise SelectionError(
            f"{caps}: holds images of several models ({', '.join(there)}); name one with --model"
        )
    return there[0] if there else None


def find_in_caps(
    caps: Path,
    *,
    model: str | None,
    space: names.Space = names.MNI_CROP,
    dataset: Dataset | None = None,
    include_t1nce: bool = False,
) -> FoundCandidates:
    """List the images of a CAPS that could stand for a visit.

    A crop is a T1ce, and never stands for a visit itself, if its name has ``ce-``, if sidecar or
    ``scans.tsv`` of the BIDS say so, or if it was given to t1-synth-nce (with success or without).
    Where t1-synth-nce has selected by the image, a crop in which it saw no gadolinium is none,
    whatever its name says.

    Parameters
    ----------
    caps
        Root of the CAPS.
    model
        Name of the weights whose synthetic images are meant; None for no synthetic images.
    space
        Key of :data:`names.SPACES`: the images of which grid. In the native space, acquired T1nce
        are the raw images of the BIDS.
    dataset
        The BIDS that t1-linear read. If it is a separated view, its ``contrast.tsv`` says which
        sessions are one visit.
    include_t1nce
        Whether the generator's T1nce (``--include-t1nce``) are taken in the place of acquired ones.

    Raises
    ------
    SelectionError
        If the space needs a BIDS and there is none.
    """
    if space == names.NATIVE and dataset is None:
        raise SelectionError(
            f"{caps}: the native space needs the raw images; give their BIDS with --bids-directory"
        )
    original = {} if dataset is None else separation.read_map(dataset.root)
    given = _given_to_the_model(caps)
    by_image = any(told is not None and told.rule == query.IMAGE for told in given.values())
    candidates: list[Candidate] = []
    visits: set[Visit] = set()
    failed: dict[Visit, SelectionError] = {}
    for visit, crop in query.find_crops(caps):
        mapped = original.get(visit, visit)
        visits.add(mapped)
        raw = None if dataset is None else names.raw_path(crop, dataset.root)
        try:
            is_t1ce = crop in given or (
                not (by_image and _shows_none(crop))
                and selection.find_crop_evidence(crop, dataset) is not None
            )
        except SelectionError as error:
            failed[mapped] = error
            continue
        if is_t1ce:
            kind, image = SYNTHETIC, _synthetic(crop, model, space)
        elif include_t1nce:
            kind, image = REGENERATED, _synthetic(crop, model, space)
        else:
            kind, image = ACQUIRED, _acquired(crop, raw, space)
        if image is not None and image.is_file():
            candidates.append(Candidate(mapped, image, kind, visit.session, raw, crop))
    candidates = [candidate for candidate in candidates if candidate.visit not in failed]
    missing = visits - {candidate.visit for candidate in candidates} - failed.keys()
    return FoundCandidates(tuple(candidates), tuple(sorted(missing)), failed)


def find_in_files(
    acquired: Iterable[Path], synthetic: Iterable[Path], dataset: Dataset | None = None
) -> list[Candidate]:
    """Make candidates of files with BIDS or CAPS names.

    Parameters
    ----------
    acquired
        T1nce.
    synthetic
        T1nce made from T1ce.
    dataset
        The BIDS that they come from, for metadata and, if it is a separated view, the visits.

    Raises
    ------
    SelectionError
        If a name does not say participant and session.
    """
    original = {} if dataset is None else separation.read_map(dataset.root)
    candidates = []
    for kind, paths in ((ACQUIRED, acquired), (SYNTHETIC, synthetic)):
        for path in paths:
            labels = entities(path.name)
            if not {"sub", "ses"} <= labels.keys():
                raise SelectionError(
                    f"{path}: does not say whose image it is; give it a name that starts with "
                    "sub-<label>_ses-<label>_"
                )
            visit = Visit(f"sub-{labels['sub']}", f"ses-{labels['ses']}")
            raw = None if dataset is None else _raw_of(dataset, visit, path, kind)
            candidates.append(Candidate(original.get(visit, visit), path, kind, visit.session, raw))
    return candidates


def choose(
    candidates: Iterable[Candidate], chosen: Mapping[Visit, str] | None = None
) -> dict[Visit, Choice]:
    """Choose one image for each visit.

    The one that `chosen` names; else an acquired T1nce before a synthetic one, then the later
    run, then the order of the names.

    Parameters
    ----------
    candidates
        Candidates of any number of visits.
    chosen
        File names by visit, from :func:`read_choices`.

    Raises
    ------
    SelectionError
        If `chosen` names an image that is not there.
    """
    chosen = chosen or {}
    by_visit: dict[Visit, list[Candidate]] = {}
    for candidate in candidates:
        by_visit.setdefault(candidate.visit, []).append(candidate)
    for visit, name in chosen.items():
        known = {candidate.path.name for candidate in by_visit.get(visit, [])}
        if name not in known:
            there = f"; there are {', '.join(sorted(known))}" if known else ""
            raise SelectionError(f"{visit}: no image {name!r} to choose{there}")
    return {
        visit: _choose_one(group, chosen.get(visit)) for visit, group in sorted(by_visit.items())
    }


def read_choices(path: Path) -> dict[Visit, str]:
    """Read a table with the columns ``participant_id``, ``session_id`` and ``filename``.

    Raises
    ------
    SelectionError
        If it cannot be read, or lists a visit twice.
    """
    rows = read_unique(path, "participant_id", "session_id")
    read_rows(path, ["filename"])
    return {Visit(*visit): Path(row["filename"]).name for visit, row in rows.items()}


def _choose_one(group: list[Candidate], name: str | None) -> Choice:
    def rank(candidate: Candidate) -> tuple[bool, int, str]:
        return candidate.kind == SYNTHETIC, -run_of(candidate.path.name), candidate.path.name

    if name is not None:
        return Choice(next(item for item in group if item.path.name == name), "tsv")
    first, *others = sorted(group, key=rank)
    if not others:
        return Choice(first, "only image")
    if others[0].kind != first.kind:
        return Choice(first, "acquired before synthetic")
    return Choice(first, "later run" if rank(others[0])[1] != rank(first)[1] else "first name")


def _given_to_the_model(caps: Path) -> dict[Path, SelectedBy | None]:
    """Say why t1-synth-nce took crops for T1ce, by its sidecars and its tables."""
    given: list[tuple[str, SelectedBy | None]] = []
    no_t1ce = SelectedBy.parse(query.AS_T1NCE), SelectedBy.parse(query.UNDECIDED)
    for image in query.find_synthetic(caps):
        content = sidecar.read(image) or {}
        first = (content.get("Sources") or [])[:1]
        given += [(source, sidecar.selection(content)) for source in first]
    given += [
        (row["source"], SelectedBy.parse(row["selected_by"])) for row in table.read_all_tables(caps)
    ]
    return {
        caps / source.removeprefix("bids::"): selected_by
        for source, selected_by in given
        if selected_by not in no_t1ce
    }


def _shows_none(crop: Path) -> bool:
    """Say whether t1-synth-nce or `detect` looked at a crop, as it is, and saw no gadolinium."""
    content = find_json(names.gadolinium_path(crop)) or {}
    probability = content.get("GadoliniumProbability")
    return (
        isinstance(probability, int | float)
        and probability < selection.SEEN
        and not any(has_changed(crop, note) for note in content.get("SourceFiles", [])[:1])
    )


def _synthetic(crop: Path, model: str | None, space: names.Space) -> Path | None:
    if model is None:
        return None
    path = names.in_space(names.output_path(crop, model), space)
    return path if sidecar.lack(path, [crop]) is None else None


def _acquired(crop: Path, raw: Path | None, space: names.Space) -> Path | None:
    if space == names.NATIVE:
        return raw
    return names.full_path(crop) if space == names.MNI else crop


def _raw_of(dataset: Dataset, visit: Visit, path: Path, kind: str) -> Path | None:
    """Find the raw T1w that an image was made from, if there is only one that fits."""
    wanted = T1CE if kind == SYNTHETIC else T1NCE
    fitting = [image.path for image in dataset.t1w(visit) if image.kind == wanted]
    return fitting[0] if len(fitting) == 1 else None


def acquisition(candidate: Candidate, dataset: Dataset | None) -> dict[str, Any]:
    """Read what the BIDS, or else the file beside an acquired image, says about the acquisition.

    Of a synthetic image, the fields on the contrast agent are left out: it shows none.

    Raises
    ------
    SelectionError
        If a sidecar is not JSON.
    """
    if dataset is None or candidate.raw is None:
        return (sidecar.read(candidate.path) or {}) if candidate.kind == ACQUIRED else {}
    content = dataset.metadata(candidate.raw)
    if candidate.kind == ACQUIRED:
        return content
    return {key: value for key, value in content.items() if not key.startswith("ContrastBolus")}
