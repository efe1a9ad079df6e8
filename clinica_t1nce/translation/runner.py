"""T1ce files in, T1nce files with their sidecars out, without any workflow engine."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from clinica_t1nce.caps import names, selection, sidecar
from clinica_t1nce.caps.flags import find_flags, flags_as_json, read_flags
from clinica_t1nce.files import atomic, nifti
from clinica_t1nce.translation import classification, spaces
from clinica_t1nce.translation.jobs import Job

if TYPE_CHECKING:
    from clinica_t1nce.synthesis.synthesizer import Synthesizer


@dataclass(frozen=True)
class Result:
    """What became of a job.

    Attributes
    ----------
    job
        Job as it was given.
    sidecar
        Content of the sidecar; None if nothing was translated.
    classification
        Content of the JSON that says whether the image shows gadolinium; None if that was not
        asked.
    error
        Reason why it failed, or None.
    written
        T1ce and T1nce on the first of the grids, as they are in the files; None of images that
        were there, or that the type of a raw image may have rounded.
    """

    job: Job
    sidecar: dict[str, Any] | None = None
    classification: dict[str, Any] | None = None
    error: Exception | None = None
    written: tuple[nifti.Image, np.ndarray] | None = None


@dataclass(frozen=True)
class _Unwritten:
    """What was made of a job, not written yet."""

    job: Job
    inputs: spaces.Inputs
    products: list[spaces.Product]
    probability: float | None
    start: float


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
        Jobs, in the order of the results.
    synthesizer
        Loaded model.
    overlap
        Read the next image and write the last one while the network works: for GPUs, where
        gzip takes longer than the network. Up to three images are in memory then.
    on_start
        Function that is called before the network starts on a job.

    Yields
    ------
    Result
    """
    if overlap:
        yield from _overlapping(jobs, synthesizer, on_start)
        return
    for job in jobs:
        on_start(job)
        try:
            yield translate(job, synthesizer)
        except Exception as error:
            yield Result(job, error=error)


def translate(job: Job, synthesizer: "Synthesizer") -> Result:
    """Translate one file, or classify it, or both; the network sees it once.

    Parameters
    ----------
    job
        Source, outputs and options.
    synthesizer
        Loaded model.

    Returns
    -------
    Result
        Without an error.

    Raises
    ------
    ImageError
        If the source cannot be used.
    WeightsError
        If the image is to tell whether gadolinium was given, and the weights cannot.
    OutputError
        If the image cannot be written; nothing half-written is left.
    """
    start = time.perf_counter()
    work = _synthesise(job, _read_inputs(job, synthesizer), synthesizer, start)
    return _write(work, synthesizer)


def _overlapping(
    jobs: Sequence[Job], synthesizer: "Synthesizer", on_start: Callable[[Job], None]
) -> Iterator[Result]:
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        upcoming = reader.submit(_read_inputs, jobs[0], synthesizer) if jobs else None
        writing: tuple[Job, Future[Result]] | None = None
        for index, job in enumerate(jobs):
            reading = upcoming
            assert reading is not None
            if index + 1 < len(jobs):
                upcoming = reader.submit(_read_inputs, jobs[index + 1], synthesizer)
            on_start(job)
            start = time.perf_counter()
            written: Future[Result]
            try:
                work = _synthesise(job, reading.result(), synthesizer, start)
                written = writer.submit(_write, work, synthesizer)
            except Exception as error:
                written = Future()
                written.set_exception(error)
            if writing is not None:
                yield _result(*writing)
            writing = job, written
        if writing is not None:
            yield _result(*writing)


def _result(job: Job, future: "Future[Result]") -> Result:
    try:
        return future.result()
    except Exception as error:
        return Result(job, error=error)


def _read_inputs(
    job: Job, synthesizer: "Synthesizer", crop: nifti.Image | None = None
) -> spaces.Inputs:
    """Read what the images of a job take; of one whose image is to tell itself, the crop alone."""
    if crop is None:
        job.check()
        crop = spaces.read_crop(job.source)
    return spaces.read_inputs(crop, () if job.is_open else _wanted(job, synthesizer), job)


def _wanted(job: Job, synthesizer: "Synthesizer") -> tuple[names.Space, ...]:
    if not job.options.keep_existing:
        return job.spaces
    return tuple(job.lacks(sidecar.describe_model(synthesizer.card)))


def _synthesise(
    job: Job, inputs: spaces.Inputs, synthesizer: "Synthesizer", start: float
) -> _Unwritten:
    synthesis = probability = None
    if job.is_open:
        synthesis = spaces.synthesise(inputs.crop, inputs.crop.data, synthesizer)
        classification.require_detector(synthesizer.card, synthesis.gadolinium)
        probability = synthesis.gadolinium or 0.0
        if job.spaces:
            chosen = selection.by_image(probability, job.options.include_t1nce)
            job = replace(job, selected_by=chosen)
        if not job.is_open:
            inputs = _read_inputs(job, synthesizer, inputs.crop)
    products = list(spaces.make_products(inputs, synthesizer, synthesis))
    return _Unwritten(job, inputs, products, probability, start)


def _write(work: _Unwritten, synthesizer: "Synthesizer") -> Result:
    job = work.job
    classified = None
    if work.probability is not None:
        note = work.inputs.crop.note
        classified = classification.write_found(job, work.probability, synthesizer.card, note)
    if not job.spaces or (classified is not None and job.selected_by is None):
        return Result(job, None, classified)
    # Another process may have made the same images meanwhile.
    wanted = _wanted(job, synthesizer)
    products = [product for product in work.products if product.space in wanted]
    if not products:
        return Result(job, sidecar.read(job.first.image) or {}, classified)
    seconds = (time.perf_counter() - work.start) / len(products)
    contents = [_write_product(job, product, synthesizer, seconds) for product in products]
    flags = dict.fromkeys(flag for content in contents for flag in read_flags(content))
    content = {**contents[0], "Flags": flags_as_json(flags)}
    first, written = products[0], None
    if first.space == job.spaces[0] != names.NATIVE:
        written = first.like, first.data
    return Result(job, content, classified, written=written)


def _write_product(
    job: Job, product: spaces.Product, synthesizer: "Synthesizer", seconds: float
) -> dict[str, Any]:
    files, like = job.images[product.space], product.like
    notes = {image.path: image.note for image in (product.inputs.crop, like)}
    content = sidecar.describe_image(
        files.image,
        sidecar.SourceImage(job.source, job.root, "", job.selected_by, like.n_nonfinite, notes),
        sidecar.Prediction.of(product.synthesis, synthesizer),
        change=sidecar.measure_change(product.shown, product.change, product.place),
        grid=product.describe_grid(job),
        flags=find_flags(job.selected_by, product.synthesis) + product.flags,
        seconds=seconds,
    )
    # An old image beside a new sidecar would be taken for done if we were killed in between.
    with atomic.replacing([files.image, files.sidecar, *files.companions]):
        sidecar.write(files.image, content)
        _write_maps(job, product, content)
        product.save(files.image)
    return content


def _write_maps(job: Job, product: spaces.Product, content: dict[str, Any]) -> None:
    files = job.images[product.space]
    if files.enhancement is not None:
        where = names.uri(files.image, job.root, files.image.parent)
        sidecar.write(files.enhancement, sidecar.describe_enhancement(content, where))
        nifti.save(files.enhancement, product.change, product.like)
    if files.vessels is not None:
        sidecar.write(files.vessels, sidecar.describe_vessels(content, product.vessel_threshold))
        nifti.save(files.vessels, product.vessels, product.like, dtype=np.uint8)
