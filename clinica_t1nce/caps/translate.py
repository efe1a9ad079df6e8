"""T1ce files in, T1nce files with their sidecars out, without any workflow engine."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinica_t1nce import images
from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.errors import OutputError, T1nceError

if TYPE_CHECKING:
    from clinica_t1nce.synthesis import Synthesis, Synthesizer


@dataclass(frozen=True)
class Job:
    """One image to translate.

    Attributes
    ----------
    source
        A crop of t1-linear, 169 x 208 x 179 voxels of 1 mm.
    output
        Where the T1nce belongs; its sidecar lies beside it.
    root
        Root of the data set that holds both, for the sidecar.
    selected_by
        Why the source was taken for a T1ce, for the sidecar.
    """

    source: Path
    output: Path
    root: Path | None = None
    selected_by: str | None = None


@dataclass(frozen=True)
class Result:
    """What became of a job: a sidecar, or an error.

    Attributes
    ----------
    job
        What was asked for.
    sidecar
        Its content, or None.
    error
        Why there is no image, or None.
    """

    job: Job
    sidecar: dict[str, Any] | None = None
    error: Exception | None = None


def translate(job: Job, synthesizer: "Synthesizer") -> dict[str, Any]:
    """Translate one file.

    Parameters
    ----------
    job
        From where to where.
    synthesizer
        The loaded model.

    Returns
    -------
    dict
        The sidecar's content.

    Raises
    ------
    ImageError
        If the source cannot be used.
    OutputError
        If the image cannot be written; nothing half-written is left.
    """
    start = time.perf_counter()
    image = _read(job)
    return _write(job, image, _synthesise(image, synthesizer), synthesizer, start)


def translate_all(
    jobs: Sequence[Job],
    synthesizer: "Synthesizer",
    *,
    overlap: bool = False,
    on_start: Callable[[Job], None] = lambda job: None,
) -> Iterator[Result]:
    """Translate files one after the other; the failure of one does not stop the others.

    Parameters
    ----------
    jobs
        What to do.
    synthesizer
        The loaded model.
    overlap
        Read the next image and write the last one while the network works: for GPUs, where
        gzip takes longer than the network. Up to three images are in memory then.
    on_start
        Called before the network starts on a job.

    Yields
    ------
    Result
        In the order of the jobs.
    """
    if overlap:
        yield from _overlapping(jobs, synthesizer, on_start)
        return
    for job in jobs:
        on_start(job)
        try:
            yield Result(job, translate(job, synthesizer))
        except Exception as error:
            yield Result(job, error=error)


def _overlapping(
    jobs: Sequence[Job], synthesizer: "Synthesizer", on_start: Callable[[Job], None]
) -> Iterator[Result]:
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        upcoming = reader.submit(_read, jobs[0]) if jobs else None
        writing: tuple[Job, Future[dict[str, Any]]] | None = None
        for index, job in enumerate(jobs):
            reading = upcoming
            assert reading is not None
            upcoming = reader.submit(_read, jobs[index + 1]) if index + 1 < len(jobs) else None
            on_start(job)
            start = time.perf_counter()
            written: Future[dict[str, Any]]
            try:
                image = reading.result()
                synthesis = _synthesise(image, synthesizer)
                written = writer.submit(_write, job, image, synthesis, synthesizer, start)
            except Exception as error:
                written = Future()
                written.set_exception(error)
            if writing is not None:
                yield _result(*writing)
            writing = job, written
        if writing is not None:
            yield _result(*writing)


def _result(job: Job, future: "Future[dict[str, Any]]") -> Result:
    try:
        return Result(job, future.result())
    except Exception as error:
        return Result(job, error=error)


def _read(job: Job) -> images.Image:
    return images.load(job.source, shape=images.CROP_SHAPE, zooms=images.CROP_ZOOMS)


def _synthesise(image: images.Image, synthesizer: "Synthesizer") -> "Synthesis":
    try:
        return synthesizer(image.data, image.affine)
    except T1nceError as error:
        # It knows arrays only; the reader of the message needs the file.
        raise type(error)(f"{image.path}: {error}") from error


def _write(
    job: Job, image: images.Image, synthesis: "Synthesis", synthesizer: "Synthesizer", start: float
) -> dict[str, Any]:
    change = sidecar.measure_change(image.data, synthesis.change)
    try:
        # An old image beside a new sidecar would be taken for done if we were killed in between.
        job.output.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{job.output}: cannot be replaced ({error.strerror or error}); "
            "get the right to write there"
        ) from error
    content = sidecar.build(
        source=job.source,
        output=job.output,
        card=synthesizer.card,
        change=change,
        confidence=synthesis.confidence,
        device=str(synthesizer.device),
        seconds=time.perf_counter() - start,
        n_nonfinite=image.n_nonfinite,
        scaling={**synthesizer.card.scaling, **asdict(synthesis.scaling)},
        root=job.root,
        selected_by=job.selected_by,
    )
    sidecar.write(job.output, content)
    try:
        images.save(job.output, synthesis.image, image)
    except BaseException:
        with suppress(OSError):
            names.sidecar_path(job.output).unlink(missing_ok=True)
        raise
    return content
