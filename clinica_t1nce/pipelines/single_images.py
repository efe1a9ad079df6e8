"""Single images, without a CAPS, on several processes: translated, with pages, or classified."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from clinica_t1nce.bids.contrast_agents import read_words
from clinica_t1nce.bids.entities import is_t1w
from clinica_t1nce.bids.t1w_images import Dataset
from clinica_t1nce.caps import names, selection, sidecar
from clinica_t1nce.engine.local_plugin import memory_gb, share_out
from clinica_t1nce.errors import DeviceError, ImageError, SelectionError, reason
from clinica_t1nce.files import nifti
from clinica_t1nce.pipelines.resumable import Model
from clinica_t1nce.translation.classification import UNREADABLE
from clinica_t1nce.translation.single_files import SingleJob, find_sources

if TYPE_CHECKING:
    from clinica_t1nce.synthesis.synthesizer import Synthesizer
    from clinica_t1nce.translation.single import Translation

Given = TypeVar("Given")
Made = TypeVar("Made")

MEMORY_GB = 2.0
"""Memory that a process takes beside its model."""


def translator(
    model: Model, n_threads: int | None = None, raw: Path | None = None
) -> Callable[[SingleJob], dict[str, Any]]:
    """Make a function that translates a file and gives its sidecar's content; it can be sent.

    Parameters
    ----------
    model
        Weights and device; loaded once in each process.
    n_threads
        Threads of PyTorch; None leaves them.
    raw
        Root of the BIDS that the sources belong to; sidecars call it ``raw``. None: they give
        relative paths.
    """
    return partial(_translate_one, model, n_threads, raw)


def _translate_one(
    model: Model, n_threads: int | None, raw: Path | None, files: SingleJob
) -> dict[str, Any]:
    """Write the T1nce of a file, and its page if it has one."""
    from clinica_t1nce.translation import single

    made = single.translate_file(files, load_synthesizer(model.name, model.device, n_threads), raw)
    _write_page(files, made)
    return made.sidecar


def _write_page(files: SingleJob, made: "Translation") -> None:
    from clinica_t1nce.report.synthetic_pages import write_page_of

    if files.page is None:
        return
    title = files.source.name.partition(".")[0].replace("_", " ")
    write_page_of(
        files.page,
        made.sidecar,
        made.t1ce,
        made.t1nce,
        made.affine,
        title,
        thumbnail=files.thumbnail,
    )


def write_page_again(files: SingleJob) -> None:
    """Write the page of a T1nce that is there already.

    Parameters
    ----------
    files
        Paths, that of the page among them.

    Raises
    ------
    ImageError
        If an image cannot be used, or the T1ce is not kept on the grid of the T1nce: in MNI space
        it is only where the map of what was removed is.
    OutputError
        If the page cannot be written.
    """
    from clinica_t1nce.translation.single import Translation

    t1nce, removed = nifti.load(files.image), names.enhancement_path(files.image)
    if files.space == names.NATIVE:
        t1ce = nifti.load(files.source).data
    elif removed.is_file():
        t1ce = t1nce.data + nifti.load(removed).data
    else:
        raise ImageError(
            f"{files.image}: its T1ce is not kept in MNI space; delete the T1nce and make it again"
        )
    content = sidecar.read(files.image) or {}
    _write_page(files, Translation(content, t1ce, t1nce.data, t1nce.affine))


def _classify(model: Model, n_threads: int | None, source: Path) -> float:
    from clinica_t1nce.translation import single

    return single.classify_file(source, load_synthesizer(model.name, model.device, n_threads))


COLUMNS = ("source", "probability", "image", "metadata", "contradiction")
"""Of the table of :func:`classify`, as of that of a CAPS."""


def find_t1w(
    sources: Sequence[Path], agent_words: Path | None = None
) -> tuple[dict[Path, str | None], dict[Path, SelectionError]]:
    """List T1w, of files, folders of them or a BIDS, and what their metadata show.

    Parameters
    ----------
    sources
        NIfTI files and folders of them, or one BIDS.
    agent_words
        Table of :func:`clinica_t1nce.bids.contrast_agents.read_words`, for a BIDS.

    Returns
    -------
    found : dict
        Evidence of a contrast agent by image, None without; "" where there are no metadata,
        :data:`~clinica_t1nce.translation.classification.UNREADABLE` for those in `undecided`.
    undecided : dict
        Errors by image, of images whose metadata cannot be read or are not understood.

    Raises
    ------
    SelectionError
        If there is none, or there are words for something else than a BIDS.
    """
    first = sources[0]
    if len(sources) > 1 or not first.is_dir() or not any(first.glob("sub-*/")):
        if agent_words is not None:
            raise SelectionError(
                f"{first}: --agent-words is for words in the metadata of a BIDS; leave it out"
            )
        return dict.fromkeys(find_sources(sources), ""), {}
    dataset = Dataset(first, read_words(agent_words), without_sessions=True)
    found: dict[Path, str | None] = {}
    undecided: dict[Path, SelectionError] = {}
    for visit in dataset.visits:
        anat = first / visit.subject / visit.session / "anat"
        for path in sorted(anat.iterdir()) if anat.is_dir() else []:
            if not is_t1w(path.name):
                continue
            try:
                found[path] = dataset.evidence(visit, path)
            except SelectionError as error:
                found[path], undecided[path] = UNREADABLE, error
    if not found:
        raise SelectionError(f"{first}: holds no T1w; give files, a BIDS or a CAPS")
    return found, undecided


def classify(
    found: Mapping[Path, str | None], model: Model, n_procs: int
) -> tuple[list[dict[str, str]], list[str]]:
    """Say of images how likely it is that gadolinium was given.

    Parameters
    ----------
    found
        Result of :func:`find_t1w`.
    model
        Weights with a detector.
    n_procs
        Number of cores.

    Returns
    -------
    rows : list of dict
        One an image, with :data:`COLUMNS`.
    failures : list of str
        Reasons of the images that could not be classified.
    """
    rows, failures = [], []
    n_processes, n_threads = share_cores(len(found), n_procs, model)
    for path, probability, failure in each(
        partial(_classify, model, n_threads), [*found], n_processes
    ):
        if probability is None:
            failures.append(str(failure))
            continue
        evidence = found[path]
        is_told = evidence not in ("", UNREADABLE)
        told = selection.contradiction(evidence, probability) if is_told else None
        rows.append(
            {
                "source": str(path),
                "probability": f"{probability:.4f}",
                "image": "T1ce" if probability >= selection.SEEN else "T1nce",
                "metadata": "n/a" if evidence == "" else evidence or "nothing",
                "contradiction": told or "",
            }
        )
    return rows, failures


def share_cores(n_images: int, n_procs: int, model: Model) -> tuple[int, int | None]:
    """Say how many processes work, and with how many threads each; on a GPU, one does."""
    if model.device == "cuda":
        return 1, None
    return share_out(max(n_images, 1), n_procs, model.memory_gb + MEMORY_GB, memory_gb())


def each(
    work: Callable[[Given], Made], items: Sequence[Given], n_processes: int = 1
) -> Iterator[tuple[Given, Made | None, str | None]]:
    """Do some work on each item; the failure of one stops no other.

    Parameters
    ----------
    work
        Work that can be sent to other processes.
    items
        What it is done on.
    n_processes
        Number of processes; one works in this one.

    Yields
    ------
    item, result, reason
        In the order of the items; of what failed, the result is None, and there is a reason.

    Raises
    ------
    DeviceError
        If a process is killed from outside.
    """
    if n_processes == 1:
        yield from map(partial(_attempt, work), items)
        return
    # A forked process would inherit locks that threads of PyTorch hold.
    pool = ProcessPoolExecutor(n_processes, get_context("spawn"), _prepare_process)
    try:
        yield from pool.map(partial(_attempt, work), items)
    except BrokenProcessPool as error:
        raise DeviceError(
            "a process was killed, for want of memory perhaps; run again with a smaller -np"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _attempt(work: Callable[[Given], Made], item: Given) -> tuple[Given, Made | None, str | None]:
    try:
        return item, work(item), None
    except Exception as error:
        return item, None, reason(error)


def _prepare_process() -> None:
    # Ctrl-C reaches all processes of a terminal; the first one tells of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")


@lru_cache(maxsize=1)
def load_synthesizer(name: str, device: str, n_threads: int | None) -> "Synthesizer":
    """Load a model, once in a process."""
    from clinica_t1nce.synthesis.synthesizer import Synthesizer

    return Synthesizer.load(name, device, n_threads)
