"""Nipype interfaces to data sets: homogenised ones, and simulated pairs."""

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

from clinica_t1nce.errors import OutputError


class _HomogeniseBidsInputSpec(BaseInterfaceInputSpec):
    acquired_files = InputMultiObject(
        File(exists=True), desc="T1nce; their names start with sub-<label>_ses-<label>_"
    )
    synthetic_files = InputMultiObject(
        File(exists=True),
        desc="synthetic T1nce, with their sidecars beside them; named in the same way",
    )
    out_directory = Directory(
        mandatory=True, desc="data set to make or to add to; written directly and atomically"
    )
    bids_directory = Directory(
        exists=True,
        desc="BIDS that the images come from: its tables and metadata are taken over; if it is a "
        "separated view, the visits are those of the data set that was separated",
    )
    choices_file = File(
        exists=True,
        desc="TSV with participant_id, session_id and filename: the image to take where a session "
        "has several",
    )
    agent_words_file = File(
        exists=True,
        desc="TSV with word and meaning (given, none or nothing): what words for the contrast "
        "agent in the metadata mean that are not known",
    )
    copy = traits.Bool(
        True,
        usedefault=True,
        desc="copy the files; links would point into working directories, which come and go",
    )
    overwrite = traits.Bool(
        False, usedefault=True, desc="put images there again that are there already"
    )


class _HomogeniseBidsOutputSpec(TraitedSpec):
    out_files = OutputMultiObject(
        File(exists=True), desc="the image of each session, sorted by participant and session"
    )
    out_directory = Directory(exists=True, desc="the data set")
    out_table = File(exists=True, desc="which image is which: t1nce.tsv")


class HomogeniseBids(SimpleInterface):
    """Make a BIDS data set with one T1nce a session: the acquired one, else the synthetic one.

    Never skipped by Nipype's cache: the outputs lie outside its sight.

    Examples
    --------
    >>> homogenise = HomogeniseBids(out_directory="homogenised")
    >>> homogenise.inputs.copy
    True
    """

    input_spec = _HomogeniseBidsInputSpec
    output_spec = _HomogeniseBidsOutputSpec
    _always_run = True

    def _run_interface(self, runtime: Bunch) -> Bunch:
        from clinica_t1nce.bids import contrast_agents, t1w_images
        from clinica_t1nce.datasets import homogenisation, homogenised_tables
        from clinica_t1nce.datasets.choices import choose, find_in_files, read_choices

        root = self.inputs.bids_directory
        table = self.inputs.agent_words_file
        words = contrast_agents.read_words(Path(table) if isdefined(table) else None)
        source = t1w_images.Dataset(Path(root).absolute(), words) if isdefined(root) else None
        choices = self.inputs.choices_file
        out = Path(self.inputs.out_directory).absolute()
        chosen = choose(
            find_in_files(
                _paths(self.inputs.acquired_files), _paths(self.inputs.synthetic_files), source
            ),
            read_choices(Path(choices)) if isdefined(choices) else None,
        )
        report = homogenisation.write_images(
            chosen,
            out,
            homogenisation.DatasetSources(None, source),
            copy=self.inputs.copy,
            overwrite=self.inputs.overwrite,
        )
        for visit, reason in report.failed.items():
            raise OutputError(f"{visit}: {reason}")
        self._results.update(
            out_files=[str(homogenisation.visit_image_path(out, visit)) for visit in chosen],
            out_directory=str(out),
            out_table=str(out / homogenised_tables.T1NCE_TSV),
        )
        return runtime


def _paths(files: Any) -> list[Path]:
    return [Path(file).absolute() for file in files] if isdefined(files) else []


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
        settings = dataset.SimulationSettings(
            given.seed, given.preset, given.second_scan, given.head, given.in_place
        )
        image, anatomy = dataset.read_anatomy(Path(given.in_file), table)
        recipe, pair = dataset.simulate_head(anatomy, 0, settings, find_device(given.device))
        stem = Path(given.in_file).name.partition(".nii")[0]
        files = dataset.SimulatedFiles(
            Path(runtime.cwd) / f"{stem}_T1w.nii.gz",
            Path(runtime.cwd) / f"{stem}_ce-gadolinium_T1w.nii.gz",
        )
        dataset.write_pair(files, image, recipe, pair, settings, 0)
        self._results["t1nce_file"] = str(files.t1nce)
        self._results["t1ce_file"] = str(files.t1ce)
        self._results["recipe_file"] = str(dataset.sidecar(files.t1ce))
        return runtime
