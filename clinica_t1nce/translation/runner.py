"""T1ce files in, T1nce files with their sidecars out, without any workflow engine."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clinica_t1nce.caps import names, selection, sidecar
from clinica_t1nce.caps.query import ALL, AS_T1NCE, SelectedBy
from clinica_t1nce.files import atomic, nifti
from clinica_t1nce.synthesis import Flag
from clinica_t1nce.translation import classification, spaces
from clinica_t1nce.translation.jobs import Job

if TYPE_CHECKING:
    from clinica_t1nce.synthesis.synthesizer import Synthesis, Synthesizer


LOW_CONFIDENCE = 0.05
"""Confidence below which an image is flagged: less sure than of nearly all simulated heads."""

LARGEST = 2.5
"""Enlargement by t1-linear from which an image is flagged: adults' heads need 1 to 2."""

Wanted = tuple[names.Space, ...]
"""Grids of the images that are to be made."""


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
class _Work:
    """What was made of a job, not written yet."""

    job: Job
    inputs: spaces.Inputs
    products: "Sequence[spaces.Product]"
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
        Source, targets and options.
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
    inputs, wanted = _read(job, synthesizer)
    work = _synthesise(job, inputs, wanted, synthesizer, start)
    return _write(work, synthesizer)


def _overlapping(
    jobs: Sequence[Job], synthesizer: "Synthesizer", on_start: Callable[[Job], None]
) -> Iterator[Result]:
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        upcoming = reader.submit(_read, jobs[0], synthesizer) if jobs else None
        writing: tuple[Job, Future[Result]] | None = None
        for index, job in enumerate(jobs):
            reading = upcoming
            assert reading is not None
            if index + 1 < len(jobs):
                upcoming = reader.submit(_read, jobs[index + 1], synthesizer)
            on_start(job)
            start = time.perf_counter()
            written: Future[Result]
            try:
                work = _synthesise(job, *reading.result(), synthesizer, start)
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


def _read(job: Job, synthesizer: "Synthesizer") -> tuple[spaces.Inputs, Wanted]:
    """Read the crop and, if it is known that the image is translated, all else that this takes."""
    job.check()
    crop = spaces.read_crop(job.source)
    wanted = () if job.is_open else _wanted(job, synthesizer)
    return spaces.read(crop, wanted, job.targets), wanted


def _wanted(job: Job, synthesizer: "Synthesizer") -> Wanted:
    if not job.options.keep_existing:
        return job.spaces
    return tuple(job.lacks(sidecar.describe(synthesizer.card)))


def _synthesise(
    job: Job, inputs: spaces.Inputs, wanted: Wanted, synthesizer: "Synthesizer", start: float
) -> _Work:
    synthesis = probability = None
    if job.is_open:
        synthesis = spaces.synthesise(inputs.crop, inputs.crop.data, synthesizer)
        classification.require_detector(synthesizer.card, synthesis.gadolinium)
        probability = synthesis.gadolinium or 0.0
        if job.spaces:
            chosen = selection.by_image(probability, job.options.include_t1nce)
            job = replace(job, selected_by=chosen)
        wanted = () if job.selected_by is None else _wanted(job, synthesizer)
        inputs = spaces.read(inputs.crop, wanted, job.targets)
    products = spaces.products(inputs, wanted, synthesizer, synthesis)
    return _Work(job, inputs, list(products), probability, start)


def _write(work: _Work, synthesizer: "Synthesizer") -> Result:
    job = work.job
    classified = None
    if work.probability is not None:
        note = work.inputs.crop.note
        classified = classification.write(job, work.probability, synthesizer.card, note)
    if not job.spaces or (classified is not None and job.selected_by is None):
        return Result(job, None, classified)
    # Another process may have made the same images meanwhile.
    wanted = _wanted(job, synthesizer)
    products = [product for product in work.products if product.space in wanted]
    if not products:
        return Result(job, sidecar.read(job.first.image) or {}, classified)
    seconds = (time.perf_counter() - work.start) / len(products)
    contents = [
        _write_product(job, work.inputs, product, synthesizer, seconds) for product in products
    ]
    flags = dict.fromkeys(flag for content in contents for flag in sidecar.flags(content))
    content = {**contents[0], "Flags": sidecar.flags_as_json(flags)}
    first, written = products[0], None
    if first.space == job.spaces[0] != names.NATIVE:
        written = first.like, first.data
    return Result(job, content, classified, written=written)


def _write_product(
    job: Job,
    inputs: spaces.Inputs,
    product: spaces.Product,
    synthesizer: "Synthesizer",
    seconds: float,
) -> dict[str, Any]:
    files = job.targets.images[product.space]
    content = sidecar.build(
        source=job.source,
        output=files.image,
        card=synthesizer.card,
        change=sidecar.measure_change(product.shown, product.change, product.place),
        confidence=product.synthesis.confidence,
        gadolinium=product.synthesis.gadolinium,
        flags=find_flags(job.selected_by, product.synthesis) + _flags_of_grid(inputs, product),
        device=str(synthesizer.device),
        seconds=seconds,
        n_nonfinite=product.like.n_nonfinite,
        scaling={**synthesizer.card.scaling, **asdict(product.synthesis.scaling)},
        root=job.root,
        selected_by=job.selected_by,
        grid=_describe_grid(job, inputs, product),
        notes={image.path: image.note for image in inputs.images},
    )
    # An old image beside a new sidecar would be taken for done if we were killed in between.
    with atomic.replacing([files.image, files.sidecar, *files.companions]):
        sidecar.write(files.image, content)
        _write_maps(job, product, content)
        product.save(files.image)
    return content


def _write_maps(job: Job, product: spaces.Product, content: dict[str, Any]) -> None:
    files = job.targets.images[product.space]
    if files.enhancement is not None:
        where = names.uri(files.image, job.root, files.image.parent)
        sidecar.write(files.enhancement, sidecar.build_enhancement(content, where))
        nifti.save(files.enhancement, product.change, product.like)
    if files.vessels is not None:
        sidecar.write(files.vessels, sidecar.build_vessels(content, product.vessel_threshold))
        nifti.save(files.vessels, product.vessels, product.like, dtype=np.uint8)


def find_flags(selected_by: SelectedBy | None, synthesis: "Synthesis") -> list[Flag]:
    """Say what is to be looked at in an image.

    Parameters
    ----------
    selected_by
        Rule and reason for which the source was taken.
    synthesis
        Result of the network.
    """
    found = []
    text = _contradiction(selected_by, synthesis.gadolinium)
    if text is not None:
        found.append(Flag("contradiction", text))
    if synthesis.confidence is not None and synthesis.confidence < LOW_CONFIDENCE:
        found.append(Flag("low-confidence", f"low confidence ({synthesis.confidence:.2f})"))
    return [*found, *synthesis.flags]


def _contradiction(selected_by: SelectedBy | None, probability: float | None) -> str | None:
    if selected_by is None or selected_by == SelectedBy(ALL):
        return None
    reason = None if selected_by.rule == AS_T1NCE else str(selected_by)
    return selection.contradiction(reason, probability)


def _flags_of_grid(inputs: spaces.Inputs, product: spaces.Product) -> list[Flag]:
    found = sidecar.source_flags(product.like)
    if inputs.enlargement is not None and inputs.enlargement > LARGEST:
        found.append(
            Flag(
                "enlarged",
                f"t1-linear made the image {inputs.enlargement:.1f} times larger, which no adult's "
                "head needs: a skull-stripped brain on the template of a whole head?",
            )
        )
    if product.space == names.NATIVE and inputs.raw is not None and not inputs.raw.follows_affine:
        found.append(
            Flag(
                "warped",
                "the crop is not the raw image moved by t1-linear's affine alone (they agree to "
                f"{inputs.raw.agreement:.2f}): the change was predicted on the raw image",
            )
        )
    return found


def _describe_grid(job: Job, inputs: spaces.Inputs, product: spaces.Product) -> sidecar.Grid:
    sources: tuple[Path, ...] = job.targets.sources(product.space)[1:]
    if product.space != names.NATIVE or inputs.raw is None:
        return sidecar.Grid(product.space, sources)
    on = "crop" if inputs.raw.follows_affine else "raw image, moved by the affine"
    return sidecar.Grid(product.space, sources, inputs.raw.agreement, on)
