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
from clinica_t1nce.errors import T1nceError
from clinica_t1nce.interfaces import journal

if TYPE_CHECKING:
    from clinica_t1nce.caps.translate import Job, Result


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
    selected_by = traits.Str(desc="why the images were taken for T1ce, for the sidecars")
    continue_on_error = traits.Bool(
        False, usedefault=True, desc="list images that fail in failures, and go on with the others"
    )
    journal_dir = Directory(
        desc="folder for a file of JSON lines that tell what was started, done and failed"
    )


class _SynthesizeT1nceOutputSpec(TraitedSpec):
    out_files = OutputMultiObject(
        File(exists=True),
        desc="the synthetic T1nce, in the order of in_files; failed ones left out",
    )
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
        from clinica_t1nce.caps.translate import translate_all
        from clinica_t1nce.synthesis import Synthesizer

        jobs = self._jobs(Path(runtime.cwd))
        synthesizer = Synthesizer.load(
            self.inputs.model, device=self.inputs.device, n_threads=_given(self.inputs.n_threads)
        )
        outputs: dict[str, list[Any]] = {name: [] for name in self.output_spec().get()}
        with journal.Writer(_given_path(self.inputs.journal_dir)) as log:
            for result in translate_all(
                jobs,
                synthesizer,
                overlap=synthesizer.device.type == "cuda",
                on_start=lambda job: log.write(journal.Event(journal.STARTED, str(job.source))),
            ):
                log.write(_event(result))
                if result.error is not None and not self.inputs.continue_on_error:
                    raise result.error
                _collect(result, outputs)
        self._results.update(outputs)
        return runtime

    def _jobs(self, folder: Path) -> "list[Job]":
        from clinica_t1nce.caps.translate import Job

        sources = [Path(path).absolute() for path in self.inputs.in_files]
        if isdefined(self.inputs.out_files):
            outputs = [Path(path).absolute() for path in self.inputs.out_files]
        else:
            outputs = [folder / _derived_name(source.name) for source in sources]
        if len(outputs) != len(sources):
            raise ValueError(f"{len(sources)} in_files, but {len(outputs)} out_files")
        if len(set(outputs)) != len(outputs):
            raise ValueError("two of in_files would be written to one file; give out_files")
        root = _given_path(self.inputs.dataset_root)
        selected_by = _given(self.inputs.selected_by)
        return [
            Job(source, output, root, selected_by)
            for source, output in zip(sources, outputs, strict=True)
        ]


def _derived_name(name: str) -> str:
    if names.is_crop(name):
        return names.synthetic_name(name)
    stem, _, extension = name.partition(".nii")
    entities, _, suffix = stem.rpartition("_")
    stem = f"{entities}_desc-SynthNce_{suffix}" if "-" in entities else f"{stem}_desc-SynthNce"
    return f"{stem}.nii{extension}"


def _event(result: "Result") -> journal.Event:
    source = str(result.job.source)
    if result.error is not None:
        return journal.Event(
            journal.FAILED,
            source,
            reason=_one_line(result.error),
            details=None if isinstance(result.error, T1nceError) else _details(result.error),
        )
    content = result.sidecar or {}
    n_nonfinite = content.get("NonFiniteVoxelsSetToZero", 0)
    return journal.Event(
        journal.DONE,
        source,
        seconds=content.get("DurationSeconds"),
        warning=f"{n_nonfinite} NaN or infinite voxels were set to 0" if n_nonfinite else None,
    )


def _collect(result: "Result", outputs: dict[str, list[Any]]) -> None:
    if result.error is not None:
        outputs["failures"].append((str(result.job.source), _one_line(result.error)))
        return
    outputs["out_files"].append(str(result.job.output))
    outputs["sidecars"].append(str(names.sidecar_path(result.job.output)))
    outputs["confidences"].append((result.sidecar or {}).get("Confidence"))


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, T1nceError) else f"unexpected {type(error).__name__}: {text}"


def _details(error: Exception) -> str:
    return "".join(traceback.format_exception(error))


def _given(value: Any) -> Any:
    return value if isdefined(value) else None


def _given_path(value: Any) -> Path | None:
    return Path(value).absolute() if isdefined(value) else None
