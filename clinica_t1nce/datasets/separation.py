"""A view of a BIDS data set in which T1nce and T1ce of one visit lie in two sessions.

Clinica's t1-linear leaves a visit with two T1w out. In the view every session has one T1w at
most: ``ses-X`` keeps the T1nce and all that is no T1w, ``ses-Xce`` has the T1ce.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clinica_t1nce.bids.contrast_agents import has_contrast, plain, read_words
from clinica_t1nce.bids.entities import (
    Visit,
    contrast_label,
    is_t1w,
    split_extension,
    stem,
    with_contrast,
    with_session,
    without_contrast,
)
from clinica_t1nce.bids.t1w_images import T1CE, T1NCE, Dataset, T1w, prefer
from clinica_t1nce.caps.description import DESCRIPTION
from clinica_t1nce.datasets import outputs
from clinica_t1nce.datasets.outputs import Entry
from clinica_t1nce.errors import SelectionError, some
from clinica_t1nce.files import text
from clinica_t1nce.files.text import Cells, as_json, is_there, read_json

KIND = "separate"
WHAT = "T1nce and T1ce of one visit in two sessions"
CONTRAST_TSV = "contrast.tsv"
PAIRS_TSV = "pairs.tsv"
CONTRAST_COLUMNS = (
    "participant_id",
    "session_id",
    "session_id_source",
    "contrast",
    "evidence",
    "filename",
    "source",
    "status",
)
PAIRS_COLUMNS = ("participant_id", "session_id_t1nce", "session_id_t1ce")
TAKEN, LEFT_OUT = "taken", "left out"
NOT_LINKED = {"derivatives", "sourcedata", "code", "logs"}
"""Folders at the root of a data set that its images do not need."""


@dataclass
class View:
    """What a view is to hold.

    Attributes
    ----------
    files
        Entries by their path in the view.
    contrast
        Rows of ``contrast.tsv``: one a T1w of the source.
    pairs
        Rows of ``pairs.tsv``: one a visit that holds both images.
    visits
        Numbers of the source's visits that hold ``"both"``, only the ``"T1nce"``, only the
        ``"T1ce"``, or ``"none"``.
    failed
        Errors by visit, of visits that are left out because their metadata cannot be read or are
        not understood.
    """

    files: dict[Path, Entry] = field(default_factory=dict)
    contrast: list[Cells] = field(default_factory=list)
    pairs: list[Cells] = field(default_factory=list)
    visits: dict[str, int] = field(
        default_factory=lambda: {"both": 0, T1NCE: 0, T1CE: 0, "none": 0}
    )
    failed: dict[Visit, SelectionError] = field(default_factory=dict)

    @property
    def n_left_out(self) -> int:
        """T1w that another of their visit and kind was preferred to."""
        return sum(row["status"] == LEFT_OUT for row in self.contrast)


def plan_view(
    source: Path, *, label: str = "ce", choices: Path | None = None, words: Path | None = None
) -> View:
    """Decide what the view of a data set holds; nothing is written.

    Of several T1w of one kind in a visit, the first in the order of :func:`prefer` is taken,
    or the one that `choices` names; the others are left out.

    Parameters
    ----------
    source
        Root of the BIDS data set.
    label
        Text behind the label of a session that names the session of its T1ce.
    choices
        Table with the columns ``participant_id``, ``session_id`` and ``filename``: the T1w to
        take. A column ``contrast`` (``T1ce`` or ``T1nce``) overrules what the metadata say.
    words
        Table of the meanings of words on contrast agents, see
        :func:`clinica_t1nce.bids.contrast_agents.read_words`.

    Raises
    ------
    SelectionError
        If the data set or the table cannot be used, or a session of that name is there already.
    """
    if not (label.isalnum() and label.isascii()):
        raise SelectionError(f"--label {label!r}: letters and digits only, as in BIDS labels")
    dataset = Dataset(outputs.without_dots(source), read_words(words))
    chosen = {} if choices is None else _read_choices(choices, dataset)
    view = View()
    second_sessions: dict[str, dict[str, str]] = {}
    _add_root(view, dataset)
    for visit in dataset.visits:
        choice = chosen.get(visit, {})
        try:
            images = _read_visit(dataset, visit, choice)
        except SelectionError as error:
            view.failed[visit] = error
            continue
        taken = _take(images, choice)
        second = _second_session(dataset, visit, label) if len(taken) == 2 else None
        view.visits["both" if second else next(iter(taken), "none")] += 1
        _add_visit(view, dataset, visit, taken, images, second)
        if second is not None:
            row = (visit.subject, visit.session, second.session)
            view.pairs.append(dict(zip(PAIRS_COLUMNS, row, strict=True)))
            second_sessions.setdefault(visit.subject, {})[visit.session] = second.session
    for subject in dict.fromkeys(visit.subject for visit in dataset.visits):
        _add_subject(view, dataset, subject, second_sessions.get(subject, {}))
    view.files[Path(CONTRAST_TSV)] = Entry(text=text.table_text(view.contrast, CONTRAST_COLUMNS))
    view.files[Path(PAIRS_TSV)] = Entry(text=text.table_text(view.pairs, PAIRS_COLUMNS))
    return view


def check_view(view: View, out: Path, source: Path) -> None:
    """Refuse a folder that is not ours, or holds another view; nothing is written.

    Raises
    ------
    SelectionError
        See :func:`outputs.check_folder`; also if files or choices have changed since.
    """
    outputs.check_folder(out, [source], KIND, WHAT)
    changed = outputs.conflicts(out, view.files)
    stale = (
        path.relative_to(out)
        for path in sorted(out.glob("sub-*/ses-*/anat/*"))
        if is_t1w(path.name)
        and path.relative_to(out) not in view.files
        and not any(
            path.parts[-4] == visit.subject and path.parts[-3].startswith(visit.session)
            for visit in view.failed
        )
    )
    changed += stale
    if changed:
        first = some([out / path for path in changed], most=1)
        raise SelectionError(
            f"{first}: other images or choices than now; remove {out}, or give a new folder"
        )


def read_map(root: Path) -> dict[Visit, Visit]:
    """Say to which visit of the source each visit of a view belongs.

    Parameters
    ----------
    root
        A data set; one without ``contrast.tsv`` is no view, and gives an empty answer.

    Raises
    ------
    SelectionError
        If ``contrast.tsv`` cannot be used.
    """
    path = root / CONTRAST_TSV
    if not is_there(path):
        return {}
    rows = text.read_rows(path, ["participant_id", "session_id", "session_id_source", "status"])
    return {
        Visit(row["participant_id"], row["session_id"]): Visit(
            row["participant_id"], row["session_id_source"]
        )
        for row in rows
        if row["status"] == TAKEN
    }


VisitChoice = dict[str, str | None]
"""Kind by file name, of one visit; None for what the metadata say."""


def _read_choices(path: Path, dataset: Dataset) -> dict[Visit, VisitChoice]:
    chosen: dict[Visit, VisitChoice] = {}
    known = set(dataset.visits)
    for number, row in text.read_numbered(path, ["participant_id", "session_id", "filename"])[1]:
        visit = Visit(row["participant_id"], row["session_id"])
        name = Path(row["filename"]).name
        kind = row.get("contrast") or None
        if visit not in known:
            raise SelectionError(f"{path}: row {number}: no visit {visit} in {dataset.root}")
        if not is_t1w(name) or not dataset.root.joinpath(*visit, "anat", name).exists():
            raise SelectionError(
                f"{path}: row {number}: {visit} has no T1w {name!r}; give the name of its file"
            )
        if kind not in (None, T1CE, T1NCE):
            raise SelectionError(
                f"{path}: row {number}: contrast {kind!r} is neither {T1CE} nor {T1NCE}"
            )
        if name in chosen.setdefault(visit, {}):
            raise SelectionError(f"{path}: row {number}: {name} is listed twice; keep one row")
        chosen[visit][name] = kind
    return chosen


def _take(images: Iterable[T1w], choice: VisitChoice) -> dict[str, T1w]:
    by_kind: dict[str, list[T1w]] = {}
    for image in images:
        by_kind.setdefault(image.kind, []).append(image)
    taken = {}
    for kind, group in sorted(by_kind.items()):
        named = [image for image in group if image.path.name in choice]
        if len(named) > 1:
            raise SelectionError(
                f"{group[0].visit}: two {kind} chosen, {named[0].path.name} and "
                f"{named[1].path.name}; keep one row of them"
            )
        taken[kind] = (named or prefer(group) if len(group) > 1 else group)[0]
    return taken


def _second_session(dataset: Dataset, visit: Visit, label: str) -> Visit:
    second = Visit(visit.subject, visit.session + label)
    there = {other.session.casefold() for other in dataset.visits if other.subject == visit.subject}
    if second.session.casefold() in there:
        raise SelectionError(
            f"{dataset.root / visit.subject}: has a session {second.session} already, where the "
            f"T1ce of {visit.session} would go; choose another label (--label)"
        )
    return second


def _add_root(view: View, dataset: Dataset) -> None:
    root = dataset.root
    description = root / DESCRIPTION
    content = read_json(description) if is_there(description) else {}
    view.files[Path(DESCRIPTION)] = Entry(
        text=outputs.description_text(content, [root], KIND, WHAT)
    )
    ignored = root / ".bidsignore"
    lines = []
    if ignored.is_file():
        lines = ignored.read_text(encoding="utf-8", errors="replace").splitlines()
    lines += [f"/{name}" for name in (CONTRAST_TSV, PAIRS_TSV) if f"/{name}" not in lines]
    view.files[Path(".bidsignore")] = Entry(text="\n".join(lines) + "\n")
    for path in sorted(root.iterdir()):
        if path.name.startswith((".", "sub-")) or path.name in NOT_LINKED:
            continue
        for file in _files_below(path):
            view.files.setdefault(file.relative_to(root), Entry(file))


def _add_subject(view: View, dataset: Dataset, subject: str, second: dict[str, str]) -> None:
    """Add what lies beside a participant's sessions; its ``sessions.tsv`` gets the new ones."""
    for path in sorted((dataset.root / subject).iterdir()):
        target = Path(subject) / path.name
        if path.name == f"{subject}_sessions.tsv" and second:
            rows = [
                {**row, "session_id": name}
                for row in text.read_unique(path, "session_id").values()
                for name in filter(None, (row["session_id"], second.get(row["session_id"])))
            ]
            view.files[target] = Entry(text=text.table_text(rows, list(rows[0]) if rows else []))
        elif path.name == f"{subject}_sessions.tsv" and subject in {v.subject for v in view.failed}:
            continue  # Whether it will be a link, or a text with a second session, is not known.
        elif path.is_file() and not path.name.startswith("."):
            view.files[target] = Entry(path)


def _read_visit(dataset: Dataset, visit: Visit, choice: VisitChoice) -> list[T1w]:
    """Read all that is to be known of a visit, so that nothing of it is written if that fails."""
    images = dataset.t1w(visit, choice)
    dataset.scans(visit)
    for image in images:
        dataset.metadata(image.path)
    return images


def _add_visit(
    view: View,
    dataset: Dataset,
    visit: Visit,
    taken: dict[str, T1w],
    images: Sequence[T1w],
    second: Visit | None,
) -> None:
    folder = dataset.root.joinpath(*visit)
    new_names: dict[Path, Path | None] = {}
    for image in images:
        target = None
        if taken[image.kind] is image:
            place = second if second is not None and image.kind == T1CE else visit
            target = Path(*place, "anat", _name_in_view(image, place.session))
        new_names[image.path] = target
        view.contrast.append(_source_row(dataset, image, target))
    sidecars = {dataset.own_sidecar(image.path) for image in images}
    for path in _files_below(folder):
        if path in sidecars or path == dataset.scans_path(visit):
            continue
        target = new_names.get(path, path.relative_to(dataset.root))
        if target is not None:
            view.files[target] = Entry(path)
    for path, target in new_names.items():
        if target is not None:
            view.files |= _link_sidecar(dataset, path, target)
    view.files |= _deal_scans(dataset, visit, second, new_names)


def _name_in_view(image: T1w, session: str) -> str:
    """Name an image in the view; a T1ce says that it is one, and nothing else does.

    A dot in a label becomes ``p`` (``acq-1.5T``: ``acq-1p5T``), since t1-linear of Clinica 0.12
    ends names at their first dot.
    """
    name, extension = split_extension(image.path.name)
    start = name.find("_", len(f"{image.visit.subject}_{image.visit.session}"))
    name = name[:start] + name[start:].replace(".", "p")
    name = f"{name.rpartition('_')[0]}_T1w{extension}"
    label = contrast_label(name) if has_contrast(name) else None
    name = without_contrast(with_session(name, session))
    if image.kind == T1NCE:
        return name
    return with_contrast(name, label or plain(image.agent or "").replace(" ", "") or "gadolinium")


def _link_sidecar(dataset: Dataset, image: Path, target: Path) -> dict[Path, Entry]:
    """Link an image's sidecar; write it where the visit's folder had more to say about it."""
    path = target.with_name(f"{stem(target.name)}.json")
    own = dataset.own_sidecar(image)
    visit = image.parents[1]
    of_visit = [file for file in dataset.sidecars(image) if file.is_relative_to(visit)]
    if target == image.relative_to(dataset.root) or of_visit == [own]:
        return {path: Entry(own)} if own.is_file() else {}
    if not of_visit:
        return {}
    return {path: Entry(text=as_json(dataset.metadata(image)))}


def _deal_scans(
    dataset: Dataset, visit: Visit, second: Visit | None, new_names: dict[Path, Path | None]
) -> dict[Path, Entry]:
    """Deal the rows of ``scans.tsv`` out to the sessions that their files are in now."""
    source = dataset.scans_path(visit)
    rows = dataset.scans(visit)
    if not rows:
        return {source.relative_to(dataset.root): Entry(source)} if source.is_file() else {}
    columns = list(next(iter(rows.values())))
    dealt: dict[Visit, list[Cells]] = {visit: []}
    for name, row in rows.items():
        target = new_names.get(dataset.root.joinpath(*visit, name), Path(*visit, name))
        if target is not None:
            place = Visit(*target.parts[:2])
            row = {**row, "filename": Path(*target.parts[2:]).as_posix()}
            dealt.setdefault(place, []).append(row)
    files = {
        Dataset.scans_name(place): Entry(text=text.table_text(group, columns))
        for place, group in dealt.items()
    }
    explained = source.with_suffix(".json")
    if second is not None and second in dealt and explained.is_file():
        files[Dataset.scans_name(second).with_suffix(".json")] = Entry(explained)
    return files


def _source_row(dataset: Dataset, image: T1w, target: Path | None) -> Cells:
    return {
        "participant_id": image.visit.subject,
        "session_id": "n/a" if target is None else target.parts[1],
        "session_id_source": image.visit.session,
        "contrast": image.kind,
        "evidence": image.evidence or "none",
        "filename": "n/a" if target is None else target.as_posix(),
        "source": image.path.relative_to(dataset.root).as_posix(),
        "status": LEFT_OUT if target is None else TAKEN,
    }


def _files_below(path: Path) -> Iterator[Path]:
    """Yield a file, or the files in a folder, sorted; hidden ones left out."""
    if path.name.startswith("."):
        return
    if path.is_dir():
        for inner in sorted(path.iterdir()):
            yield from _files_below(inner)
    else:
        yield path
