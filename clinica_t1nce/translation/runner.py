"""T1ce files in, T1nce files with their sidecars out, without any workflow engine."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clinica_t1nce.caps import names, selection, sidecar
from clinica_t1nce.errors import OutputError
from clinica_t1nce.files import nifti
from clinica_t1nce.translation import spaces

if TYPE_CHECKING:
    from clinica_t1nce.synthesis.synthesizer import Synthesis, Synthesizer


LOW_CONFIDENCE = 0.05
"""Confidence below which an image is flagged: less sure than of nearly all simulated heads."""


LARGEST = 2.5
"""Enlargement by t1-linear from which an image is flagged: adults' heads need 1 to 2."""


@dataclass(frozen=True)
class Options:
    """What is to be made of each image.

    Attributes
    ----------
    spaces
        Grids of the T1nce: keys of :data:`clinica_t1nce.caps.names.SPACES`.
    bids
        Root of the BIDS that t1-linear read; needed for the native space.
    enhancement
        Write the map of what was removed, and the mask of vessels in it, beside each T1nce, with
        a sidecar each.
    keep
        Leave what is there already as it is.
    """

    spaces: tuple[str, ...] = (names.MNI_CROP,)
    bids: Path | None = None
    enhancement: bool = False
    keep: bool = False


@dataclass(frozen=True)
class Job:
    """One image to translate.

    Attributes
    ----------
    source
        A crop of t1-linear, 169 x 208 x 179 voxels of 1 mm.
    output
        Where the T1nce on the crop's grid belongs; its sidecar lies beside it, and images on
        other grids, named after it (:func:`clinica_t1nce.caps.names.in_space`).
    root
        Root of the data set that holds both, for the sidecar.
    selected_by
        Why the source was taken for a T1ce, for the sidecar.
    options
        What is to be made.
    """

    source: Path
    output: Path
    root: Path | None = None
    selected_by: str | None = None
    options: Options = Options()

    def image(self, space: str) -> Path:
        """Say where the T1nce on a grid belongs."""
        return names.in_space(self.output, space)

    def missing(self) -> tuple[str, ...]:
        """List the grids of which something that is asked for is not there."""
        return tuple(space for space in self.options.spaces if not self._is_done(space))

    def _is_done(self, space: str) -> bool:
        image = self.image(space)
        beside = _companions(image) if self.options.enhancement else []
        return sidecar.is_done(image) and all(path.is_file() for path in beside)


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
    return _write(job, _synthesise(job, _read(job), synthesizer), synthesizer, start)


def flags(selected_by: str | None, synthesis: "Synthesis") -> list[str]:
    """Say what is to be looked at in an image.

    Parameters
    ----------
    selected_by
        Why the source was taken.
    synthesis
        What came of it.
    """
    found = []
    is_t1ce = None if selected_by in (None, selection.ALL) else selected_by
    if is_t1ce is not None:
        reason = None if is_t1ce == selection.AS_T1NCE else is_t1ce
        contradiction = selection.contradiction(reason, synthesis.gadolinium)
        found += [contradiction] if contradiction else []
    if synthesis.confidence is not None and synthesis.confidence < LOW_CONFIDENCE:
        found.append(f"low confidence ({synthesis.confidence:.2f})")
    return [*found, *(flag.text for flag in synthesis.flags)]


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
                work = _synthesise(job, reading.result(), synthesizer)
                written = writer.submit(_write, job, work, synthesizer, start)
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


def _read(job: Job) -> spaces.Inputs:
    return spaces.read(job.source, _wanted(job), job.options.bids)


def _wanted(job: Job) -> tuple[str, ...]:
    return job.missing() if job.options.keep else job.options.spaces


def _synthesise(
    job: Job, inputs: spaces.Inputs, synthesizer: "Synthesizer"
) -> "tuple[spaces.Inputs, list[spaces.Product]]":
    return inputs, list(spaces.products(inputs, _wanted(job), synthesizer))


def _write(
    job: Job,
    work: "tuple[spaces.Inputs, list[spaces.Product]]",
    synthesizer: "Synthesizer",
    start: float,
) -> dict[str, Any]:
    inputs, products = work
    # Another process may have made the same images meanwhile.
    wanted = _wanted(job)
    products = [product for product in products if product.space in wanted]
    if not products:
        return sidecar.read(job.image(job.options.spaces[0])) or {}
    seconds = time.perf_counter() - start
    contents = [
        _write_product(job, inputs, product, synthesizer, seconds / len(products))
        for product in products
    ]
    told = dict.fromkeys(flag for content in contents for flag in content.get("Flags", []))
    return {**contents[0], "Flags": list(told)}


def _write_product(
    job: Job,
    inputs: spaces.Inputs,
    product: spaces.Product,
    synthesizer: "Synthesizer",
    seconds: float,
) -> dict[str, Any]:
    image = job.image(product.space)
    change = sidecar.measure_change(product.shown, product.change)
    content = sidecar.build(
        source=job.source,
        output=image,
        card=synthesizer.card,
        change=change,
        confidence=product.synthesis.confidence,
        gadolinium=product.synthesis.gadolinium,
        flags=flags(job.selected_by, product.synthesis) + _flags_of_grid(inputs, product),
        device=str(synthesizer.device),
        seconds=seconds,
        n_nonfinite=product.like.n_nonfinite,
        scaling={**synthesizer.card.scaling, **asdict(product.synthesis.scaling)},
        root=job.root,
        selected_by=job.selected_by,
        grid=_describe_grid(inputs, product),
    )
    try:
        # An old image beside a new sidecar would be taken for done if we were killed in between.
        image.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{image}: cannot be replaced ({error.strerror or error}); get the right to write there"
        ) from error
    written = [names.sidecar_path(image)]
    try:
        sidecar.write(image, content)
        if job.options.enhancement:
            written += _companions(image)
            _write_companions(job, product, content)
        product.save(image)
    except BaseException:
        for path in written:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise
    return content


def _companions(image: Path) -> list[Path]:
    maps = [names.enhancement_path(image), names.vessels_path(image)]
    return [*map(names.sidecar_path, maps), *maps]


def _write_companions(job: Job, product: spaces.Product, content: dict[str, Any]) -> None:
    image = job.image(product.space)
    removed, vessels = names.enhancement_path(image), names.vessels_path(image)
    where = names.uri(image, job.root, image.parent)
    sidecar.write(removed, sidecar.build_enhancement(content, where))
    nifti.save(removed, product.change, product.like)
    sidecar.write(vessels, sidecar.build_vessels(content, product.vessel_threshold))
    nifti.save(vessels, product.vessels, product.like, dtype=np.uint8)


def _flags_of_grid(inputs: spaces.Inputs, product: spaces.Product) -> list[str]:
    found = []
    if inputs.enlargement is not None and inputs.enlargement > LARGEST:
        found.append(
            f"t1-linear made the image {inputs.enlargement:.1f} times larger, which no adult's "
            "head needs: a skull-stripped brain on the template of a whole head?"
        )
    if product.space == names.NATIVE and inputs.raw is not None and not inputs.raw.follows_affine:
        found.append(
            f"the crop is not the raw image moved by t1-linear's affine alone (they agree to "
            f"{inputs.raw.agreement:.2f}): the change was predicted on the raw image"
        )
    return found


def _describe_grid(inputs: spaces.Inputs, product: spaces.Product) -> sidecar.Grid:
    if product.space == names.MNI_CROP:
        return sidecar.Grid(product.space, ())
    if inputs.raw is None or product.space == names.MNI:
        return sidecar.Grid(product.space, (product.like.path,))
    affine = names.affine_path(inputs.crop.path)
    on = "crop" if inputs.raw.follows_affine else "raw image, moved by the affine"
    return sidecar.Grid(product.space, (product.like.path, affine), inputs.raw.agreement, on)
