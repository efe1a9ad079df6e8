"""Nipype interface to the simulation of pairs."""

from pathlib import Path

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Bunch,
    File,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)


class _SimulateGadoliniumInputSpec(BaseInterfaceInputSpec):
    in_file = File(
        exists=True,
        mandatory=True,
        desc="label map of FreeSurfer, SAMSEG or SynthSeg, voxels of 0.4 to 2 mm",
    )
    labels_file = File(exists=True, desc="TSV with the columns label and as, for other schemes")
    seed = traits.Range(low=0, value=0, usedefault=True, desc="the same seed gives the same pair")
    preset = traits.Enum("varied", "low-quality", usedefault=True, desc="how good the images are")
    second_scan = traits.Bool(
        False, usedefault=True, desc="give the T1nce a scan of its own, not the T1ce's noise"
    )
    head = traits.Enum("any", "whole", "stripped", usedefault=True, desc="what is seen of the head")
    in_place = traits.Bool(False, usedefault=True, desc="neither turn nor bend the head")
    device = traits.Enum("auto", "cpu", "cuda", usedefault=True, desc="where to simulate")


class _SimulateGadoliniumOutputSpec(TraitedSpec):
    t1nce_file = File(exists=True, desc="image without gadolinium, 1 mm, RAS")
    t1ce_file = File(exists=True, desc="image with gadolinium, on the same grid")
    recipe_file = File(exists=True, desc="JSON with all numbers that were drawn")


class SimulateGadolinium(SimpleInterface):
    """Simulate a T1ce and a T1nce of one head from its label map.

    Examples
    --------
    >>> simulate = SimulateGadolinium(seed=3, head="whole")
    >>> simulate.inputs.preset
    'varied'
    """

    input_spec = _SimulateGadoliniumInputSpec
    output_spec = _SimulateGadoliniumOutputSpec

    def _run_interface(self, runtime: Bunch) -> Bunch:
        from clinica_t1nce.simulation import dataset
        from clinica_t1nce.simulation.label_maps import read_label_table
        from clinica_t1nce.synthesis.synthesizer import find_device

        given = self.inputs
        table = read_label_table(Path(given.labels_file)) if isdefined(given.labels_file) else None
        settings = dataset.Settings(
            given.seed, given.preset, given.second_scan, given.head, given.in_place
        )
        image, anatomy = dataset.read_anatomy(Path(given.in_file), table)
        recipe, pair = dataset.simulate_head(anatomy, 0, settings, find_device(given.device))
        stem = Path(given.in_file).name.partition(".nii")[0]
        files = dataset.Files(
            Path(runtime.cwd) / f"{stem}_T1w.nii.gz",
            Path(runtime.cwd) / f"{stem}_ce-gadolinium_T1w.nii.gz",
        )
        dataset.write_pair(files, image, recipe, pair, settings, 0)
        self._results["t1nce_file"] = str(files.t1nce)
        self._results["t1ce_file"] = str(files.t1ce)
        self._results["recipe_file"] = str(dataset.sidecar(files.t1ce))
        return runtime
