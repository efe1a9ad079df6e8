"""The Clinica pipeline: T1ce crops of a CAPS in, synthetic T1nce in the same CAPS out."""

import os
import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinica.dataset import Visit
from clinica.pipelines.engine import Pipeline
from networkx import DiGraph
from nipype.pipeline.engine import Workflow

from clinica_t1nce.bids.contrast import describe_unknown
from clinica_t1nce.caps import dataset, names, query, selection, sidecar, table
from clinica_t1nce.engine.local_plugin import LocalPlugin
from clinica_t1nce.engine.progress import follow
from clinica_t1nce.engine.resources import memory_gb, share_out
from clinica_t1nce.errors import SelectionError, one_line
from clinica_t1nce.pipelines.command import LOCAL_PLUGINS
from clinica_t1nce.pipelines.models import check_model
from clinica_t1nce.pipelines.sharing import construct, own_folder
from clinica_t1nce.pipelines.t1_synth_nce import outcome
from clinica_t1nce.pipelines.t1_synth_nce.request import (
    DEFAULTS,
    look_at_images,
    parse_options,
    parse_request,
)
from clinica_t1nce.translation.runner import Job
from clinica_t1nce.workflows import init_synthesis_wf

if TYPE_CHECKING:
    from clinica_t1nce.models.cards import Card

IMAGES_PER_JOB = 20
"""At most so many in one job of a cluster: a quarter of an hour on few cores."""


class T1SynthNce(Pipeline):
    """Translate the T1ce of a CAPS into synthetic T1nce.

    Everything that can be known to be wrong is raised here, before any work.

    Parameters
    ----------
    caps_directory
        CAPS with crops of ``t1-linear``. The T1nce are written into it.
    tsv_file
        Table of the visits to take; without it, all visits are looked at.
    overwrite_caps
        Make images again that are there already.
    base_dir
        Working directory; a temporary one, removed in the end, if not given.
    parameters
        Those of :data:`DEFAULTS`, as the command's options of the same names; ``n_procs`` is the
        number of cores for ``select: image``, which looks at the images right here.
    name
        Of the pipeline.
    ignore_dependencies
        As for every Clinica pipeline; there are none.
    caps_name
        Name for a CAPS that has no ``dataset_description.json``: it is written then.

    Attributes
    ----------
    card : Card
        Of the model.
    outcomes : list of clinica_t1nce.pipelines.t1_synth_nce.outcome.Outcome
        One for each image that was asked for, once the pipeline has run.
    report : pathlib.Path or None
        The index of the HTML pages, once it is written.
    report_failures : list of str
        What of the report could not be written, and why, a line each.

    Raises
    ------
    SelectionError
        If the folder is not a CAPS, or nothing, or something unknown, is asked for.
    WeightsError, DeviceError
        If model or device cannot be used.
    OutputError
        If the CAPS cannot be written to, or is too full.
    """

    card: "Card"
    base_dir: Any

    def __init__(
        self,
        caps_directory: str | Path,
        tsv_file: str | Path | None = None,
        overwrite_caps: bool = False,
        base_dir: str | Path | None = None,
        parameters: dict[str, Any] | None = None,
        name: str = "t1-synth-nce",
        ignore_dependencies: list[str] | None = None,
        caps_name: str | None = None,
    ):
        parameters = {**DEFAULTS, **(parameters or {})}
        caps = Path(caps_directory).absolute()
        dataset.check(caps, name=caps_name)
        self._options = parse_options(parameters, keep=not overwrite_caps)
        request = parse_request(caps, parameters, None if tsv_file is None else Path(tsv_file))
        self._model = check_model(parameters["model"], parameters["device"])
        self.card, self._device = self._model.card, self._model.device
        parameters["model"] = self._model.name
        self._unjudged: dict[Path, str] = {}
        if request.rule == selection.IMAGE:
            request, self._unjudged = look_at_images(request, self._model, parameters["n_procs"])
        self._selection = selection.select(request)
        self._n_batches = 1
        self._n_threads: int | None = None
        self._journal: Path | None = None
        self.outcomes: list[outcome.Outcome] = []
        self.report: Path | None = None
        self.report_failures: list[str] = []
        self._to_do = [
            crop for crop in self._selection.crops if overwrite_caps or self._job(crop).missing()
        ]
        if self._to_do:
            files = len(self._options.spaces) * (2 if self._options.enhancement else 1)
            dataset.check_room(caps, len(self._to_do) * files)
        _describe(caps, caps_name)
        construct(
            super().__init__,
            caps_directory=str(caps),
            tsv_file=None if tsv_file is None else str(tsv_file),
            overwrite_caps=overwrite_caps,
            base_dir=None if base_dir is None else str(base_dir),
            parameters=parameters,
            name=name,
            ignore_dependencies=ignore_dependencies,
            # The name that is there, or Clinica warns that it differs from a random one.
            caps_name=dataset.name_of(caps) or caps_name,
        )

    @property
    def n_selected(self) -> int:
        """Images that were asked for."""
        chosen = self._selection
        doubtful = len(chosen.ambiguous) + len(chosen.undecided) + len(self._unjudged)
        return len(chosen.crops) + doubtful

    @property
    def unknown_words(self) -> str | None:
        """Words on contrast agents that are not known, in one line; None if there are none."""
        return describe_unknown(self._selection.undecided.values())

    @property
    def n_to_do(self) -> int:
        """Images that are not there yet, or are to be made again."""
        return len(self._to_do)

    @property
    def device(self) -> str:
        """``"cpu"`` or ``"cuda"``."""
        return self._device

    @cached_property
    def outdated(self) -> list[query.Crop]:
        """Images to be skipped that other weights made under this model's name."""
        skipped = set(self._selection.crops) - set(self._to_do)
        return [
            crop
            for crop in sorted(skipped, key=lambda crop: crop.path)
            if (sidecar.read(self.output_path(crop)) or {}).get("Model")
            != sidecar.describe(self.card)
        ]

    def output_path(self, crop: query.Crop) -> Path:
        """Say where the T1nce of a crop belongs, on the first grid that was asked for."""
        return self._job(crop).image(self._options.spaces[0])

    def plan(self, n_cores: int) -> tuple[int, int]:
        """Say how many processes, and threads of each, a run on this machine takes."""
        if self._device == "cuda":
            return 1, n_cores
        return share_out(max(1, self.n_to_do), n_cores, self._memory_gb, 0.9 * memory_gb())

    def run(
        self,
        plugin: Any = None,
        plugin_args: dict[str, Any] | None = None,
        update_hash: bool = False,
        bypass_check: bool = True,
        *,
        quiet: bool = False,
    ) -> Any:
        """Make the images; failures are collected in `outcomes`, none is raised.

        Parameters
        ----------
        plugin
            Nipype execution plug-in; None for processes on this machine.
        plugin_args
            Its arguments; ``n_procs`` is the number of cores (1), or, on a cluster, the least
            number of jobs.
        update_hash
            As for every Nipype workflow.
        bypass_check
            There is no check that would ask anything.
        quiet
            Show no progress.

        Returns
        -------
        networkx.DiGraph
            The graph that was run; empty if everything was there already.
        """
        arguments = dict(plugin_args or {})
        runner = self._runner(plugin, arguments)
        base, graph = Path(self.base_dir), DiGraph()
        self.outcomes = outcome.before_work(self._selection, self._to_do)
        self.outcomes += outcome.unjudged(self._unjudged)
        self.outcomes += outcome.undecided(self._selection)
        try:
            if self._to_do:
                with own_folder(base) as folder:
                    self.base_dir = folder
                    while self._to_do:
                        graph = self._run_round(runner, arguments, update_hash, quiet)
        finally:
            if not self.base_dir_was_specified:
                shutil.rmtree(base, ignore_errors=True)
        self.outcomes.sort(key=lambda item: item.crop.path)
        failures = (item for item in self.outcomes if item.status == outcome.FAILED)
        table.rewrite(
            self.caps_directory,
            (outcome.failed_row(item, self.caps_directory, self.card.name) for item in failures),
        )
        if self.parameters["report"]:
            self._complete_report(int((plugin_args or {}).get("n_procs", 1)))
        return graph

    def get_processed_visits(self) -> list[Visit]:
        """List the visits of which every image that was asked for is there."""
        missing = {crop.visit for crop in self._to_do}
        done = {crop.visit for crop in self._selection.crops} - missing
        return [Visit(*visit) for visit in sorted(done)]

    def determine_subject_and_session_to_process(self) -> None:
        """Leave out what is done; it is counted in the end rather than listed now."""
        done = set(self.get_processed_visits())
        visits = map(Visit, self._subjects, self._sessions)
        missing = [visit for visit in visits if visit not in done]
        self.subjects = [visit.subject for visit in missing]
        self.sessions = [visit.session for visit in missing]

    def get_input_fields(self) -> list[str]:
        """List the fields of the input node."""
        return ["in_files", "out_files", "selected_by"]

    def get_output_fields(self) -> list[str]:
        """List the fields of the output node."""
        return ["out_files", "failures"]

    def _compute_subjects_and_sessions(self) -> None:
        visits = sorted({crop.visit for crop in self._selection.crops})
        self._subjects = [visit.subject for visit in visits]
        self._sessions = [visit.session for visit in visits]

    def _check_custom_dependencies(self) -> None:
        pass

    def _check_pipeline_parameters(self) -> None:
        unknown = set(self.parameters) - set(DEFAULTS)
        if unknown:
            raise SelectionError(
                f"unknown parameters {sorted(unknown)}; known: {', '.join(DEFAULTS)}"
            )

    def _build_input_node(self) -> None:
        self.input_node.inputs.in_files = [str(crop.path) for crop in self._to_do]
        self.input_node.inputs.out_files = [str(self._job(crop).output) for crop in self._to_do]
        self.input_node.inputs.selected_by = [crop.selected_by for crop in self._to_do]

    def _build_core_nodes(self) -> None:
        synthesis = init_synthesis_wf(
            model=self.parameters["model"],
            device=self._device,
            n_batches=min(self._n_batches, max(1, self.n_to_do)),
            n_threads=self._n_threads,
            memory_gb=self._memory_gb,
            continue_on_error=True,
            dataset_root=self.caps_directory,
            journal_dir=self._journal,
            output_spaces=self._options.spaces,
            bids_directory=self._options.bids,
            blend=self.parameters["blend"],
            save_enhancement=self._options.enhancement,
            keep_existing=self._options.keep,
            report_dir=self._report_folder if self.parameters["report"] else None,
            name="synthesis",
        )
        self.connect(
            [
                (
                    self.input_node,
                    synthesis,
                    [
                        (field, f"inputnode.{field}")
                        for field in ("in_files", "out_files", "selected_by")
                    ],
                ),
                (
                    synthesis,
                    self.output_node,
                    [("outputnode.out_files", "out_files"), ("outputnode.failures", "failures")],
                ),
            ]
        )

    def _build_output_node(self) -> None:
        """Nothing to do: the images are written to their places, each as soon as it is made."""

    def _job(self, crop: query.Crop) -> Job:
        output = names.output_path(crop.path, self.card.name)
        return Job(crop.path, output, options=self._options)

    @property
    def _memory_gb(self) -> float:
        return self._model.memory_gb

    @property
    def _report_folder(self) -> Path:
        from clinica_t1nce.report.synthetic_pages import FOLDER

        return Path(self.caps_directory) / FOLDER

    def _complete_report(self, n_cores: int) -> None:
        """Write pages that are missing, and the index; whatever fails, the images are there."""
        from clinica_t1nce.report.synthetic_pages import Shown, complete

        shown = [
            Shown(self.output_path(item.crop), self._job(item.crop).output)
            for item in self.outcomes
            if item.status != outcome.FAILED
        ]
        try:
            self.report, failures = complete(
                self._report_folder,
                Path(self.caps_directory),
                shown,
                min(n_cores, os.cpu_count() or 1),
            )
        except Exception as error:
            self.report_failures.append(one_line(error))
        else:
            self.report_failures += [f"{image}: no page: {reason}" for image, reason in failures]

    def _runner(self, plugin: Any, arguments: dict[str, Any]) -> Any:
        n_cores = int(arguments.get("n_procs", 1))
        if plugin in (None, *LOCAL_PLUGINS) or not isinstance(plugin, str):
            self._n_batches, self._n_threads = self.plan(n_cores)
        else:
            self._n_batches = max(n_cores, -(-self.n_to_do // IMAGES_PER_JOB))
            self._n_threads = None
        if plugin in (None, "Local"):
            arguments |= {"n_procs": self._n_batches, "n_threads": self._n_threads}
            return LocalPlugin
        return plugin

    def _run_round(
        self, runner: Any, arguments: dict[str, Any], update_hash: bool, quiet: bool
    ) -> Any:
        """Work on all that is to do; what a dead process never came to is left for another."""
        self._journal = Path(tempfile.mkdtemp(prefix="journal-", dir=self.base_dir))
        self._init_nodes()
        self.is_built = False
        self.build()
        self.config["execution"].update(
            {
                "crashdump_dir": str(self.base_dir / "crash"),
                "stop_on_first_crash": "false",
                "poll_sleep_duration": "0.2",
                "create_report": "false",
            }
        )
        if runner is LocalPlugin:
            runner = LocalPlugin(arguments)
        labels = {str(crop.path): str(crop.visit) for crop in self._to_do}
        graph, error = DiGraph(), None
        with follow(self._journal, labels, quiet=quiet):
            try:
                graph = Workflow.run(self, runner, arguments, update_hash)
            except Exception as raised:
                error = raised
        outcomes, self._to_do = outcome.settle(self._to_do, self._journal, error)
        self.outcomes += outcomes
        return graph


def _describe(caps: Path, name: str | None) -> None:
    from clinica.dataset import BIDS_VERSION, CAPS_VERSION

    if name is not None:
        dataset.describe(caps, name, bids_version=str(BIDS_VERSION), caps_version=str(CAPS_VERSION))
