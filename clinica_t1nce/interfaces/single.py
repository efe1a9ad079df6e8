"""Nipype interface to the translation of single T1ce, without a CAPS."""

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Bunch,
    File,
    OutputMultiObject,
    SimpleInterface,
    TraitedSpec,
    traits,
)

from clinica_t1nce.interfaces.base import chosen_options, given_path, with_options


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
        from clinica_t1nce.translation import single

        source = Path(self.inputs.in_file)
        chosen = given_path(self.inputs.out_file)
        (files,) = single.plan(
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
