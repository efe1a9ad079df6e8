"""Nipype interface to the judgement whether images show gadolinium."""

from pathlib import Path
from typing import Any

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
from clinica_t1nce.errors import reason
from clinica_t1nce.interfaces.synthesis import failed_event, given, given_path


class _DetectGadoliniumInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(
        File(),
        mandatory=True,
        desc="crops of t1-linear (169 x 208 x 179 voxels of 1 mm), T1ce or T1nce",
    )
    out_files = InputMultiObject(
        File(),
        desc="where the judgements belong, one JSON for each of in_files; in the node's folder if "
        "not given",
    )
    model = traits.Str(
        "default", usedefault=True, desc="name of shipped weights, or a .safetensors file"
    )
    device = traits.Enum("auto", "cpu", "cuda", usedefault=True, desc="where the network runs")
    n_threads = traits.Range(low=1, desc="threads of PyTorch (all cores if not given)")
    use_gpu = traits.Bool(
        False, usedefault=True, desc="take one of the GPU slots of Nipype's MultiProc"
    )
    dataset_root = Directory(desc="root of the data set that holds the files, for BIDS URIs")
    continue_on_error = traits.Bool(
        False, usedefault=True, desc="list images that fail in failures, and go on with the others"
    )
    journal_dir = Directory(
        desc="folder for a file of JSON lines that tell what was started, done and failed"
    )


class _DetectGadoliniumOutputSpec(TraitedSpec):
    probabilities = traits.List(
        traits.Float(),
        desc="0 to 1, that gadolinium was given, in the order of in_files; failed ones left out",
    )
    out_files = OutputMultiObject(File(exists=True), desc="the judgements as JSON")
    failures = traits.List(
        traits.Tuple(traits.Str, traits.Str), desc="pairs of file and reason, one a failed image"
    )


class DetectGadolinium(SimpleInterface):
    """Say whether T1w images were acquired after gadolinium, loading the model once.

    Examples
    --------
    >>> detect = DetectGadolinium(in_files=["a.nii.gz", "b.nii.gz"], device="cpu")
    >>> detect.inputs.model
    'default'
    """

    input_spec = _DetectGadoliniumInputSpec
    output_spec = _DetectGadoliniumOutputSpec
    _always_run = True

    def _run_interface(self, runtime: Bunch) -> Bunch:
        from clinica_t1nce.synthesis.synthesizer import Synthesizer
        from clinica_t1nce.translation.judgement import detect

        sources = [Path(path).absolute() for path in self.inputs.in_files]
        targets = self._targets(sources, Path(runtime.cwd))
        synthesizer = Synthesizer.load(
            self.inputs.model, device=self.inputs.device, n_threads=given(self.inputs.n_threads)
        )
        root = given_path(self.inputs.dataset_root)
        outputs: dict[str, list[Any]] = {name: [] for name in self.output_spec().get()}
        with event_log.Writer(given_path(self.inputs.journal_dir)) as log:
            for source, target in zip(sources, targets, strict=True):
                log.write(event_log.Event(event_log.STARTED, str(source)))
                try:
                    content = detect(source, target, synthesizer, root)
                except Exception as error:
                    log.write(failed_event(source, error))
                    if not self.inputs.continue_on_error:
                        raise
                    outputs["failures"].append((str(source), reason(error)))
                    continue
                log.write(event_log.Event(event_log.DONE, str(source)))
                outputs["probabilities"].append(content["GadoliniumProbability"])
                outputs["out_files"].append(str(target))
        self._results.update(outputs)
        return runtime

    def _targets(self, sources: list[Path], folder: Path) -> list[Path]:
        if not isdefined(self.inputs.out_files):
            targets = [folder / names.gadolinium_path(source).name for source in sources]
        else:
            targets = [Path(path).absolute() for path in self.inputs.out_files]
        if len(targets) != len(sources):
            raise ValueError(f"{len(sources)} in_files, but {len(targets)} out_files")
        if len(set(targets)) != len(targets):
            raise ValueError("two of in_files would be written to one file; give out_files")
        return targets
