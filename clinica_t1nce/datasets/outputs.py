"""Data sets that this package makes of others: whose folder it is, files linked or copied."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import clinica_t1nce
from clinica_t1nce.caps import sidecar
from clinica_t1nce.caps.description import DESCRIPTION
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files import atomic
from clinica_t1nce.files.text import as_json, find_json, write_text

BIDS_VERSION = "1.9.0"
"""Of data sets whose source does not say one."""

NAME = "clinica-t1nce"
"""Under ``GeneratedBy``, of what this package makes."""

_ADVICE = "give a new folder elsewhere"


@dataclass(frozen=True)
class Entry:
    """A file to be.

    Attributes
    ----------
    source
        The file to link or copy, or None.
    text
        Content to write otherwise.
    """

    source: Path | None = None
    text: str = ""


FilePlan = Mapping[Path, Entry]
"""Files by their path in the data set."""


def check_folder(out: Path, sources: Sequence[Path], kind: str, what: str) -> None:
    """Refuse an output folder that is not ours to write into.

    Parameters
    ----------
    out
        The folder; it need not exist.
    sources
        Roots of the data sets that it is made from, the most important first.
    kind, what
        Command and what it does, as in :func:`description_text`.

    Raises
    ------
    SelectionError
        If it is a source, in it or around it, is no folder, or holds what this command did not
        make from this source in this way.
    """
    check_place(out, sources)
    if not holds_files(out):
        return
    content = read_description(out)
    try:
        made = content["GeneratedBy"][0]
        made_kind, _, made_what = made["Description"].partition(": ")
        ours = made["Name"] == NAME and made_kind == kind
        url = next((source["URL"] for source in content["SourceDatasets"]), "")
    except (KeyError, IndexError, TypeError, AttributeError):
        ours, url, made_what = False, "", ""
    if not ours:
        raise SelectionError(
            f"{out}: holds files that `clinica-t1nce {kind}` did not make; {_ADVICE}"
        )
    if sources and url != sources[0].resolve().as_uri():
        raise SelectionError(f"{out}: was made from {url}, not from {sources[0]}; {_ADVICE}")
    if made_what != what:
        raise SelectionError(f"{out}: holds {made_what!r}, not {what!r}; {_ADVICE}")


def check_place(out: Path, sources: Sequence[Path], role: str = "the input") -> None:
    """Refuse an output folder that is a source, lies in one or holds one, or is a file.

    Parameters
    ----------
    out
        The folder; it need not exist.
    sources
        Folders that are read, or other outputs.
    role
        What the sources are, for the message.

    Raises
    ------
    SelectionError
        Saying which it is.
    """
    here = out.resolve()
    for source in sources:
        there = source.resolve()
        if here == there:
            raise SelectionError(f"{out}: the output folder is {role}; {_ADVICE}")
        if here.is_relative_to(there):
            raise SelectionError(f"{out}: the output folder lies in {role} {source}; {_ADVICE}")
        if there.is_relative_to(here):
            raise SelectionError(f"{out}: the output folder holds {role} {source}; {_ADVICE}")
    if out.exists() and not out.is_dir():
        raise SelectionError(f"{out}: a file, not a folder; {_ADVICE}")


def read_description(folder: Path) -> dict[str, Any]:
    """Read a folder's ``dataset_description.json``; empty where there is none to be read."""
    return find_json(folder / DESCRIPTION) or {}


def packaged_text(name: str) -> str:
    """Read a text that comes with the package, for data sets that it makes."""
    return Path(__file__).with_name("texts").joinpath(name).read_text(encoding="utf-8")


def holds_files(folder: Path) -> bool:
    """Say whether a folder is there and holds anything that is not hidden.

    What is hidden may be a part that another process is writing, or the system's.
    """
    return folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir())


def description_text(
    source: Mapping[str, Any],
    roots: Sequence[Path],
    kind: str,
    what: str,
    links: Mapping[str, str] | None = None,
) -> str:
    """Write a ``dataset_description.json``.

    ``DatasetType`` is ``raw``: Clinica takes nothing else for a BIDS data set. BIDS allows
    ``GeneratedBy`` and ``SourceDatasets`` there as well.

    Parameters
    ----------
    source
        Content of the source's description.
    roots
        Roots of the data sets that it is made from.
    kind
        The command that made it, ``"separate"`` or ``"homogenise"``.
    what
        Description of what it did, in a few words.
    links
        Addresses by the names that BIDS URIs in sidecars use.
    """
    content = {
        **source,
        "Name": source.get("Name") or (roots[-1].name if roots else kind),
        "BIDSVersion": source.get("BIDSVersion") or BIDS_VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [
            {
                "Name": NAME,
                "Version": clinica_t1nce.__version__,
                "Description": f"{kind}: {what}",
            }
        ],
        "SourceDatasets": [{"URL": root.resolve().as_uri()} for root in roots],
    }
    if links:
        content["DatasetLinks"] = dict(links)
    return as_json(content)


def conflicts(out: Path, plan: FilePlan) -> list[Path]:
    """List files that are there and are neither the link nor the copy that they should be."""
    return [
        path
        for path, entry in plan.items()
        if entry.source is not None and _exists(out / path) and not _same(out / path, entry.source)
    ]


def make_files(out: Path, plan: FilePlan, *, copy: bool = False) -> int:
    """Make the files that are not there yet, and texts that differ; the rest is not touched.

    Parameters
    ----------
    out
        Root of the data set.
    plan
        Files of the data set, the description first so that an interrupted run is known for ours.
    copy
        Whether files are copied rather than linked. Where links are not possible, they are
        copied in any case.

    Returns
    -------
    int
        Files that were made.

    Raises
    ------
    OutputError
        If one cannot be written, or the disk is too full for the copies.
    """
    if copy:
        _check_room(out, plan)
    n_made = 0
    for path, entry in plan.items():
        target = out / path
        if entry.source is None:
            n_made += write_text(target, entry.text)
        elif not _exists(target):
            place(target, entry.source, copy=copy)
            n_made += 1
    return n_made


def lack_of_copy(
    image: Path, content: Mapping[str, Any], source: Path
) -> sidecar.Lack | Literal["other"] | None:
    """Say why an image is to be put where it belongs; None if it is there.

    Parameters
    ----------
    image
        Path where it belongs.
    content
        Content for its sidecar.
    source
        File that it is a copy of, or a link to.

    Returns
    -------
    str or None
        ``"other"``: what is there is whole, but was made from another source or by other weights;
        else as :func:`clinica_t1nce.caps.sidecar.lack`.
    """
    why = sidecar.lack(image, [source])
    there = sidecar.read(image) or {}
    is_other = any(there.get(key) != content.get(key) for key in ("Sources", "Model"))
    return "other" if is_other and why in (None, "source-changed") else why


def place(target: Path, source: Path, *, copy: bool = False) -> None:
    """Link a file to its place, by its absolute path, or copy it.

    Raises
    ------
    OutputError
        If neither is possible.
    """
    source = source.absolute()
    if not copy:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
            return
        except FileExistsError:
            # Another process may have put the same link there.
            if _exists(target) and _same(target, source):
                return
        except (OSError, NotImplementedError):
            pass
    with atomic.temporary(target) as part:
        shutil.copyfile(source, part)


def without_dots(folder: Path) -> Path:
    """Give the absolute path of a folder without ``..``, so that links to it are always the same.

    Left as it is where a link in it makes that another folder.
    """
    plain = Path(os.path.normpath(folder.absolute()))
    return plain if plain.exists() and plain.samefile(folder) else folder.absolute()


def _check_room(out: Path, plan: FilePlan) -> None:
    needed = sum(
        entry.source.stat().st_size
        for path, entry in plan.items()
        if entry.source is not None and not _exists(out / path)
    )
    atomic.check_space(out, needed, "copies", "link (without --copy)")


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _same(path: Path, source: Path) -> bool:
    if path.is_symlink():
        # Links of earlier runs may go through "..".
        return os.path.normpath(path.readlink()) == os.path.normpath(source.absolute())
    return path.stat().st_size == source.stat().st_size
