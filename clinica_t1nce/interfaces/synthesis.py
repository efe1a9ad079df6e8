"""Nipype interfaces to the generator: T1ce to T1nce, and whether images show gadolinium."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
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
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.engine import event_log
from clinica_t1nce.errors import reason
from clinica_t1nce.interfaces.base import chosen_options, given, given_path, with_options

if TYPE_CHECKING:
    from clinica_t1nce.translation.jobs import Job
    from clinica_t1nce.translation.runner import Result


class _GeneratorInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(),
        mandatory=True,
        desc="crops of t1-linear (169 x 208 x 179 voxels of 1 mm)",
    )
    use_gpu = traits.Bool(
        False, usedefault=True, desc="take one of the GPU slots of Nipype's MultiProc"
    )
    dataset_root = Directory(
        desc="root of the data set that holds the files, so that sidecars point to the sources "
        "with BIDS URIs (with relative paths if not given)"
    )
    continue_on_error = traits.Bool(
        False, usedefault=True, desc="list images that fail in failures, and go on with the others"
    )
    journal_dir = Directory(
        desc="folder for a file of JSON lines that tell what was started, done and failed"
    )


class _Generator(SimpleInterface):
    """Runs jobs, loading the model once; never skipped by Nipype's cache.

    With paths for the outputs, these lie outside the cache's sight.
    """

    _always_run = True
    _interruption: BaseException | None = None

    def run(self, cwd: Any = None, ignore_exception: Any = None, **inputs: Any) -> Any:
        """Run, and let Ctrl-C and terminations through, which Nipype takes for failures."""
        result = super().run(cwd, ignore_exception, **inputs)
        if self._interruption is not None:
            raise self._interruption
        return result

    def _run_interface(self, runtime: Bunch) -> Bunch:
        jobs = self._jobs(Path(runtime.cwd))
        outputs: dict[str, list[Any]] = {name: [] for name in self.output_spec().get()}
        try:
            for result in self._results_of(jobs):
                if result.error is None:
                    self._collect(result, outputs)
                else:
                    outputs["failures"].append((str(result.job.source), reason(result.error)))
        except BaseException as error:
            self._interruption = None if isinstance(error, Exception) else error
            raise
        self._results.update(outputs)
        return runtime

    def _results_of(self, jobs: "list[Job]") -> "Iterator[Result]":
        """Run the jobs, tell the journal, and write pages."""
        from clinica_t1nce.synthesis.synthesizer import Synthesizer
        from clinica_t1nce.translation.runner import translate_all

        options = jobs[0].options
        synthesizer = Synthesizer.load(
            options.model, options.device, options.n_threads, options.blend
        )
        log_dir = given_path(self.inputs.journal_dir)
        with event_log.Writer(log_dir) as log, self._pages(options.report) as add_page:
            for result in translate_all(
                jobs,
                synthesizer,
                overlap=synthesizer.device.type == "cuda",
                on_start=lambda job: log.write(event_log.Event(str(job.source), event_log.STARTED)),
            ):
                if isinstance(result.error, MemoryError):
                    # As if the system had killed the process: not told, and tried again alone.
                    raise result.error
                log.write(_event(result))
                if result.error is not None and not self.inputs.continue_on_error:
                    raise result.error
                add_page(result)
                # Not to be kept while the next image is made.
                result = replace(result, written=None)
                yield result

    @contextmanager
    def _pages(self, wanted: bool) -> "Iterator[Callable[[Result], None]]":
        """Write pages in the background, if they are wanted."""
        folder = given_path(self.inputs.report_dir) if wanted else None
        if folder is None:
            yield lambda result: None
            return
        from clinica_t1nce.report.synthetic_pages import Shown, writing_pages

        with writing_pages(folder, given_path(self.inputs.dataset_root)) as add:

            def add_result(result: "Result") -> None:
                if result.sidecar is not None and result.job.output is not None:
                    add(Shown(result.job.first.image, result.job.output), result.written)

            yield add_result

    def _jobs(self, folder: Path) -> "list[Job]":
        raise NotImplementedError

    def _collect(self, result: "Result", outputs: dict[str, list[Any]]) -> None:
        raise NotImplementedError

    def _paths(self, field: str, folder: Path, name: Any) -> list[Path]:
        """Give the outputs of the sources: those of a field, or else in a folder."""
        sources = [Path(path).absolute() for path in self.inputs.in_files]
        if isdefined(getattr(self.inputs, field)):
            paths = [Path(path).absolute() for path in getattr(self.inputs, field)]
        else:
            paths = [folder / name(source) for source in sources]
        if len(paths) != len(sources):
            raise ValueError(f"{len(sources)} in_files, but {len(paths)} {field}")
        if len(set(paths)) != len(paths):
            raise ValueError(f"two of in_files would be written to one file; give {field}")
        return paths


@with_options()
class _SynthesizeT1nceInputSpec(_GeneratorInputSpec):
    out_files = InputMultiObject(
        File(),
        desc="where the synthetic T1nce belong, one for each of in_files: each is written there "
        "directly and atomically; in the node's folder, under derived names, if not given",
    )
    selected_by = InputMultiObject(
        traits.Either(None, traits.Str(), traits.Tuple(traits.Str(), traits.Str())),
        desc="why the images were taken for T1ce, for the sidecars, once or one an image: a rule "
        "(metadata, tsv, all, image, include-t1nce), a pair of a rule and what it found, or any "
        "text; None of an image that is to tell itself (select)",
    )
    classification_files = InputMultiObject(
        File(),
        desc="with select=image: where the JSON belongs that says whether an image shows "
        "gadolinium, one for each of in_files; in the node's folder if not given",
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
    json_files = OutputMultiObject(File(exists=True), desc="all JSON, of maps and T1ce as well")
    confidences = traits.List(
        traits.Either(None, traits.Float()), desc="0 to 1 for each of out_files, None if unknown"
    )
    failures = traits.List(
        traits.Tuple(traits.Str, traits.Str), desc="pairs of file and reason, one a failed image"
    )


class SynthesizeT1nce(_Generator):
    """Turn T1ce into synthetic T1nce, loading the model once.

    With ``select="image"``, images that show no gadolinium are left out, and each gets a JSON that
    says how likely it is that gadolinium was given. Never skipped by Nipype's cache.

    Examples
    --------
    >>> synthesize = SynthesizeT1nce(in_files=["a.nii.gz", "b.nii.gz"], device="cpu")
    >>> synthesize.inputs.model
    'default'
    """

    input_spec = _SynthesizeT1nceInputSpec
    output_spec = _SynthesizeT1nceOutputSpec

    def _jobs(self, folder: Path) -> "list[Job]":
        from clinica_t1nce.translation.jobs import Job

        options = chosen_options(self.inputs)
        sources = [Path(path).absolute() for path in self.inputs.in_files]
        outputs = self._paths("out_files", folder, lambda source: names.derived_name(source.name))
        classifications: list[Path | None] = [None] * len(sources)
        if options.decides_by_image:
            classifications = [*self._paths("classification_files", folder, classification_name)]
        root = given_path(self.inputs.dataset_root)
        reasons = _one_each(given(self.inputs.selected_by), len(sources))
        return [
            Job(source, output, root, selected_by, options, classification)
            for source, output, selected_by, classification in zip(
                sources, outputs, reasons, classifications, strict=True
            )
        ]

    def _collect(self, result: "Result", outputs: dict[str, list[Any]]) -> None:
        # Outputs, or nodes would remove them.
        outputs["json_files"] += [str(path) for path in result.job.jsons if path.exists()]
        if result.sidecar is None:
            return
        files, options = result.job.first, result.job.options
        outputs["out_files"].append(str(files.image))
        outputs["sidecars"].append(str(files.sidecar))
        outputs["confidences"].append(result.sidecar.get("Confidence"))
        for field, space in (("full_files", names.MNI), ("native_files", names.NATIVE)):
            if space in options.output_spaces:
                outputs[field].append(str(result.job.images[space].image))
        for field, path in zip(("enhancement_files", "vessel_files"), files.maps, strict=False):
            outputs[field].append(str(path))


@with_options("model", "device", "n_threads")
class _DetectGadoliniumInputSpec(_GeneratorInputSpec):
    out_files = InputMultiObject(
        File(),
        desc="where the JSON that says whether an image shows gadolinium belongs, one for each of "
        "in_files; in the node's folder if not given",
    )


class _DetectGadoliniumOutputSpec(TraitedSpec):
    probabilities = traits.List(
        traits.Float(),
        desc="0 to 1, that gadolinium was given, in the order of in_files; failed ones left out",
    )
    out_files = OutputMultiObject(File(exists=True), desc="what was found, as JSON")
    failures = traits.List(
        traits.Tuple(traits.Str, traits.Str), desc="pairs of file and reason, one a failed image"
    )


class DetectGadolinium(_Generator):
    """Say whether T1w images were acquired after gadolinium, loading the model once.

    Examples
    --------
    >>> detect = DetectGadolinium(in_files=["a.nii.gz", "b.nii.gz"], device="cpu")
    >>> detect.inputs.model
    'default'
    """

    input_spec = _DetectGadoliniumInputSpec
    output_spec = _DetectGadoliniumOutputSpec

    def _jobs(self, folder: Path) -> "list[Job]":
        from clinica_t1nce.translation.jobs import Job

        options = replace(chosen_options(self.inputs), report=False)
        root = given_path(self.inputs.dataset_root)
        return [
            Job(Path(source).absolute(), None, root, None, options, path)
            for source, path in zip(
                self.inputs.in_files,
                self._paths("out_files", folder, classification_name),
                strict=True,
            )
        ]

    def _collect(self, result: "Result", outputs: dict[str, list[Any]]) -> None:
        assert result.classification is not None
        outputs["probabilities"].append(result.classification["GadoliniumProbability"])
        outputs["out_files"].append(str(result.job.classification))


@with_options("model", "device", "n_threads")
class _TranslateT1ceInputSpec(BaseInterfaceInputSpec):
    in_file = File(
        exists=True,
        mandatory=True,
        desc="T1ce of any orientation and of voxels of 0.3 to 6.5 mm, whole head or skull-stripped",
    )
    out_file = File(desc="where to write; in the node's folder, under a derived name, if not given")
    save_enhancement = traits.Bool(
        False, usedefault=True, desc="also write what was removed (T1ce - T1nce)"
    )


class _TranslateT1ceOutputSpec(TraitedSpec):
    out_file = File(exists=True, desc="synthetic T1nce on the grid of the T1ce")
    enhancement_file = File(desc="what was removed, if it was asked for")
    # Outputs, or nodes would remove them.
    sidecar_files = OutputMultiObject(
        File(exists=True), desc="JSON beside the T1nce and beside what was removed"
    )
    gadolinium = traits.Float(desc="probability that gadolinium was given, if the model tells")


class TranslateT1ce(SimpleInterface):
    """Translate one T1ce on its own grid, as ``clinica-t1nce translate`` does.

    Examples
    --------
    >>> TranslateT1ce(device="cpu").inputs.model
    'default'
    """

    input_spec = _TranslateT1ceInputSpec
    output_spec = _TranslateT1ceOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        from clinica_t1nce.caps import names
        from clinica_t1nce.synthesis.synthesizer import Synthesizer
        from clinica_t1nce.translation import single, single_files

        source = Path(self.inputs.in_file)
        chosen = given_path(self.inputs.out_file)
        (files,) = single_files.plan_files(
            [source],
            chosen or Path(runtime.cwd) / names.derived_name(source.name),
            save_enhancement=self.inputs.save_enhancement,
            overwrite=True,
        )
        options = chosen_options(self.inputs)
        synthesizer = Synthesizer.load(options.model, options.device, options.n_threads)
        content = single.translate_file(files, synthesizer).sidecar
        self._results["out_file"] = str(files.image)
        self._results["sidecar_files"] = [str(p) for p in files.outputs if p.suffix == ".json"]
        if files.enhancement is not None:
            self._results["enhancement_file"] = str(files.enhancement)
        if "GadoliniumProbability" in content:
            self._results["gadolinium"] = content["GadoliniumProbability"]
        return runtime


def classification_name(source: Path) -> str:
    """Name the JSON that says whether an image shows gadolinium.

    Examples
    --------
    >>> classification_name(Path("sub-01_T1w.nii.gz"))
    'sub-01_T1w.nii.gz_space-MNI152NLin2009cSym_desc-Gadolinium_res-1x1x1_T1w.json'
    """
    return names.gadolinium_path(source).name


def _one_each(given: Any, number: int) -> list[SelectedBy | None]:
    if given is None:
        return [None] * number
    parsed = [
        item
        if item is None
        else SelectedBy.parse(item)
        if isinstance(item, str)
        else SelectedBy(item[0], item[1] or None)
        for item in given
    ]
    if len(parsed) == 1:
        return parsed * number
    if len(parsed) != number:
        raise ValueError(f"{number} in_files, but {len(parsed)} texts in selected_by")
    return parsed


def _event(result: "Result") -> event_log.Event[str]:
    source = str(result.job.source)
    if result.error is not None:
        return event_log.failure(source, result.error)
    if result.sidecar is None:
        done = event_log.EXCLUDED if result.job.output is not None else event_log.DONE
        return event_log.Event(source, done)
    from clinica_t1nce.caps.flags import read_flags

    return event_log.Event(
        source,
        event_log.DONE,
        seconds=result.sidecar.get("DurationSeconds"),
        warning="; ".join(flag.text for flag in read_flags(result.sidecar)) or None,
    )
