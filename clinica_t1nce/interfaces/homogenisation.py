"""Nipype interface to homogenised BIDS data sets."""

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
        report = homogenisation.write(
            chosen,
            out,
            homogenisation.Origin(None, source),
            copy=self.inputs.copy,
            overwrite=self.inputs.overwrite,
        )
        for visit, reason in report.failed.items():
            raise OutputError(f"{visit}: {reason}")
        self._results.update(
            out_files=[str(homogenisation.image_path(out, visit)) for visit in chosen],
            out_directory=str(out),
            out_table=str(out / homogenised_tables.T1NCE_TSV),
        )
        return runtime


def _paths(files: Any) -> list[Path]:
    return [Path(file).absolute() for file in files] if isdefined(files) else []
