"""Nipype interface to the synthesis of T1nce from T1ce."""

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Bunch,
    Directory,
    File,
    InputMultiObject,
    OutputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

from clinica_t1nce.caps import names
from clinica_t1nce.engine import event_log
from clinica_t1nce.errors import T1nceError, reason

if TYPE_CHECKING:
    from clinica_t1nce.translation.runner import Job, Result


class _SynthesizeT1nceInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(),
        mandatory=True,
        desc="T1ce crops of t1-linear (169 x 208 x 179 voxels of 1 mm)",
    )
    out_files = InputMultiObject(
        File(),
        desc="where the synthetic T1nce belong, one for each of in_files: each is written there "
        "directly and atomically; in the node's folder, under derived names, if not given",
    )
    model = traits.Str(
        "default", usedefault=True, desc="name of shipped weights, or a .safetensors file"
    )
    device = traits.Enum("auto", "cpu", "cuda", usedefault=True, desc="where the network runs")
    n_threads = traits.Range(low=1, desc="threads of PyTorch (all cores if not given)")
    use_gpu = traits.Bool(
        False, usedefault=True, desc="take one of the GPU slots of Nipype's MultiProc"
    )
    dataset_root = Directory(
        desc="root of the data set that holds the files, so that sidecars point to the sources "
        "with BIDS URIs (with relative paths if not given)"
    )
    selected_by = InputMultiObject(
        traits.Str(),
        desc="why the images were taken for T1ce, for the sidecars: one text, or one an image",
    )
    output_spaces = InputMultiObject(
        traits.Enum(*names.SPACES),
        value=[names.MNI_CROP],
        usedefault=True,
        desc="grids of the synthetic images: t1-linear's crop, its whole image, the raw image; "
        "the latter two are found by their CAPS and BIDS names",
    )
    bids_directory = Directory(desc="BIDS that t1-linear read, for the native space")
    blend = traits.Enum(
        "replace",
        "change",
        usedefault=True,
        desc="of models that predict whole images: take the image, or only what changed",
    )
    save_enhancement = traits.Bool(
        False,
        usedefault=True,
        desc="write the map of what was removed, and the mask of vessels in it",
    )
    keep_existing = traits.Bool(
        False, usedefault=True, desc="leave images that are there already as they are"
    )
    continue_on_error = traits.Bool(
        False, usedefault=True, desc="list images that fail in failures, and go on with the others"
    )
    journal_dir = Directory(
        desc="folder for a file of JSON lines that tell what was started, done and failed"
    )
    report_dir = Directory(desc="folder for an HTML page an image; none if not given")


class _SynthesizeT1nceOutputSpec(TraitedSpec):
    out_files = OutputMultiObject(
        File(exists=True),
        desc="the synthetic T1nce, in the order of in_files, on the first of output_spaces; "
        "failed ones left out",
    )
    full_files = OutputMultiObject(File(exists=True), desc="those on t1-linear's whole grid")
    native_files = OutputMultiObject(File(exists=True), desc="those on the raw images' grids")
    enhancement_files = OutputMultiObject(
        File(exists=True), desc="what was removed, beside each of out_files"
    )
    vessel_files = OutputMultiObject(File(exists=True), desc="masks of vessels, beside them")
    sidecars = OutputMultiObject(File(exists=True), desc="the JSON beside each of out_files")
    confidences = traits.List(
        traits.Either(None, traits.Float()), desc="0 to 1 for each of out_files, None if unknown"
    )
    failures = traits.List(
        traits.Tuple(traits.Str, traits.Str), desc="pairs of file and reason, one a failed image"
    )


class SynthesizeT1nce(SimpleInterface):
    """Turn T1ce into synthetic T1nce, loading the model once.

    Never skipped by Nipype's cache: with `out_files`, the outputs lie outside its sight.

    Examples
    --------
    >>> synthesize = SynthesizeT1nce(in_files=["a.nii.gz", "b.nii.gz"], device="cpu")
    >>> synthesize.inputs.model
    'default'
    """

    input_spec = _SynthesizeT1nceInputSpec
    output_spec = _SynthesizeT1nceOutputSpec
    _always_run = True

    def _run_interface(self, runtime: Bunch) -> Bunch:
        from clinica_t1nce.report.synthetic_pages import PageWriter, Shown
        from clinica_t1nce.synthesis.synthesizer import Synthesizer
        from clinica_t1nce.translation.runner import translate_all

        jobs = self._jobs(Path(runtime.cwd))
        synthesizer = Synthesizer.load(
            self.inputs.model,
            device=self.inputs.device,
            n_threads=given(self.inputs.n_threads),
            blend=self.inputs.blend,
        )
        outputs: dict[str, list[Any]] = {name: [] for name in self.output_spec().get()}
        root, report = (given_path(p) for p in (self.inputs.dataset_root, self.inputs.report_dir))
        log_dir = given_path(self.inputs.journal_dir)
        with event_log.Writer(log_dir) as log, PageWriter(report, root) as pages:
            for result in translate_all(
                jobs,
                synthesizer,
                overlap=synthesizer.device.type == "cuda",
                on_start=lambda job: log.write(event_log.Event(event_log.STARTED, str(job.source))),
            ):
                log.write(_event(result))
                if result.error is not None and not self.inputs.continue_on_error:
                    raise result.error
                if result.error is None:
                    pages.add(
                        Shown(result.job.image(result.job.options.spaces[0]), result.job.output)
                    )
                _collect(result, outputs)
        self._results.update(outputs)
        return runtime

    def _jobs(self, folder: Path) -> "list[Job]":
        from clinica_t1nce.translation.runner import Job, Options

        sources = [Path(path).absolute() for path in self.inputs.in_files]
        if isdefined(self.inputs.out_files):
            outputs = [Path(path).absolute() for path in self.inputs.out_files]
        else:
            outputs = [folder / names.derived_name(source.name) for source in sources]
        if len(outputs) != len(sources):
            raise ValueError(f"{len(sources)} in_files, but {len(outputs)} out_files")
        if len(set(outputs)) != len(outputs):
            raise ValueError("two of in_files would be written to one file; give out_files")
        root = given_path(self.inputs.dataset_root)
        options = Options(
            spaces=tuple(dict.fromkeys(self.inputs.output_spaces)),
            bids=given_path(self.inputs.bids_directory),
            enhancement=self.inputs.save_enhancement,
            keep=self.inputs.keep_existing,
        )
        reasons = _one_each(self.inputs.selected_by, len(sources))
        return [
            Job(source, output, root, reason, options)
            for source, output, reason in zip(sources, outputs, reasons, strict=True)
        ]


def _one_each(texts: Any, number: int) -> list[str | None]:
    if not isdefined(texts):
        return [None] * number
    if len(texts) == 1:
        return list(texts) * number
    if len(texts) != number:
        raise ValueError(f"{number} in_files, but {len(texts)} texts in selected_by")
    return list(texts)


def failed_event(source: Path, error: Exception) -> event_log.Event:
    """Tell a failure: in one line, with the traceback of what nobody expected.

    Parameters
    ----------
    source
        The image.
    error
        What was raised.

    Returns
    -------
    clinica_t1nce.engine.event_log.Event
    """
    return event_log.Event(
        event_log.FAILED,
        str(source),
        reason=reason(error),
        details=None if isinstance(error, T1nceError) else _details(error),
    )


def _event(result: "Result") -> event_log.Event:
    if result.error is not None:
        return failed_event(result.job.source, result.error)
    content = result.sidecar or {}
    return event_log.Event(
        event_log.DONE,
        str(result.job.source),
        seconds=content.get("DurationSeconds"),
        warning=_warning(content),
    )


def _warning(content: dict[str, Any]) -> str | None:
    n_nonfinite = content.get("NonFiniteVoxelsSetToZero", 0)
    told = [f"{n_nonfinite} NaN or infinite voxels were set to 0"] if n_nonfinite else []
    return "; ".join(told + content.get("Flags", [])) or None


def _collect(result: "Result", outputs: dict[str, list[Any]]) -> None:
    if result.error is not None:
        outputs["failures"].append((str(result.job.source), reason(result.error)))
        return
    job = result.job
    first = job.image(job.options.spaces[0])
    outputs["out_files"].append(str(first))
    outputs["sidecars"].append(str(names.sidecar_path(first)))
    outputs["confidences"].append((result.sidecar or {}).get("Confidence"))
    for field, space in (("full_files", names.MNI), ("native_files", names.NATIVE)):
        if space in job.options.spaces:
            outputs[field].append(str(job.image(space)))
    if job.options.enhancement:
        outputs["enhancement_files"].append(str(names.enhancement_path(first)))
        outputs["vessel_files"].append(str(names.vessels_path(first)))


def _details(error: Exception) -> str:
    return "".join(traceback.format_exception(error))


def given(value: Any) -> Any:
    """Give a trait's value, None if it has none.

    Parameters
    ----------
    value
        Of a trait.

    Returns
    -------
    object
    """
    return value if isdefined(value) else None


def given_path(value: Any) -> Path | None:
    """Give a trait's value as an absolute path, None if it has none.

    Parameters
    ----------
    value
        Of a trait.

    Returns
    -------
    pathlib.Path or None
    """
    return Path(value).absolute() if isdefined(value) else None
