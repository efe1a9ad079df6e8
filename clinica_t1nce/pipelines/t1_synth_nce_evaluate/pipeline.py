"""The Clinica pipeline: pairs of a CAPS in, tables, figures and a report out."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clinica.dataset import Visit
from clinica.pipelines.engine import Pipeline
from networkx import DiGraph
from nipype.pipeline.engine import Node, Workflow

import clinica_t1nce
from clinica_t1nce.bids import pairs
from clinica_t1nce.caps import dataset
from clinica_t1nce.datasets import outputs
from clinica_t1nce.engine.local_plugin import LocalPlugin
from clinica_t1nce.engine.resources import memory_gb
from clinica_t1nce.errors import SelectionError, one_line
from clinica_t1nce.evaluation.tables import Table
from clinica_t1nce.files.text import as_json, write_text
from clinica_t1nce.pipelines.command import LOCAL_PLUGINS
from clinica_t1nce.pipelines.sharing import construct, own_folder
from clinica_t1nce.pipelines.t1_synth_nce_evaluate import pair_jobs
from clinica_t1nce.pipelines.t1_synth_nce_evaluate.results import page_path, write_results
from clinica_t1nce.pipelines.t1_synth_nce_evaluate.saving import SavePair
from clinica_t1nce.workflows import init_evaluation_wf
from clinica_t1nce.workflows.evaluation import OUTPUTS

MEMORY_GB = 3.0
"""What one process needs at most: deepbet, or Atropos on a whole brain."""

DEFAULTS: dict[str, Any] = {"models": (), "settings": pair_jobs.Settings(), "split": pairs.TEST}

_MARKER = "t1-synth-nce-evaluate"


class T1SynthNceEvaluate(Pipeline):
    """Compare T1ce and synthetic T1nce with the real T1nce of the same visits.

    Everything that can be known to be wrong with the request as a whole is raised here, before
    any work; what is wrong with one pair leaves that pair out.

    Parameters
    ----------
    caps_directory
        CAPS with crops of ``t1-linear`` and the outputs of ``t1-synth-nce``; only read.
    pairs_tsv
        Table of pairs: ``participant_id``, ``session_id_t1nce``, ``session_id_t1ce``.
    output_directory
        Where tables, figures and report belong.
    overwrite
        Evaluate pairs again that were evaluated already.
    base_dir
        Working directory; a temporary one, removed in the end, if not given.
    parameters
        ``models`` (names; empty for all in the CAPS), ``settings`` and ``split`` (which rows of a
        table with such a column; ``"test"``).
    name
        Of the pipeline.
    ignore_dependencies
        As for every Clinica pipeline; there are none.
    caps_name
        As for every Clinica pipeline.

    Attributes
    ----------
    failures : dict
        Pairs that were left out, and why.
    tables : dict
        The tables in the paper's layout, once the pipeline has run.

    Raises
    ------
    SelectionError
        If folder, table or options cannot be used.
    """

    base_dir: Any

    def __init__(
        self,
        caps_directory: str | Path,
        pairs_tsv: str | Path,
        output_directory: str | Path,
        overwrite: bool = False,
        base_dir: str | Path | None = None,
        parameters: dict[str, Any] | None = None,
        name: str = _MARKER,
        ignore_dependencies: list[str] | None = None,
        caps_name: str | None = None,
    ):
        parameters = {**DEFAULTS, **(parameters or {})}
        caps = Path(caps_directory).absolute()
        dataset.check(caps, name=caps_name)
        self.output_directory = Path(output_directory).absolute()
        _check_output(self.output_directory, caps)
        self._settings: pair_jobs.Settings = parameters["settings"]
        self.jobs, self.failures = pair_jobs.select(
            caps, Path(pairs_tsv), parameters["models"], self._settings, parameters["split"]
        )
        self._rows_out = {
            label: {"participant_id": label.partition(" ")[0]} for label in self.failures
        }
        self._overwrite = overwrite
        self._to_do = self._missing(self.jobs)
        self.tables: dict[str, Table] = {}
        self._n_threads = 1
        construct(
            super().__init__,
            caps_directory=str(caps),
            base_dir=None if base_dir is None else str(base_dir),
            parameters=parameters,
            name=name,
            ignore_dependencies=ignore_dependencies,
            caps_name=dataset.name_of(caps) or caps_name,
        )

    @property
    def n_to_do(self) -> int:
        """Pairs that are not evaluated yet."""
        return len(self._to_do)

    @property
    def models(self) -> list[str]:
        """Names of the models compared."""
        return [] if not self.jobs else list(self.jobs[0].images)[2:]

    def run(
        self,
        plugin: Any = None,
        plugin_args: dict[str, Any] | None = None,
        update_hash: bool = False,
        bypass_check: bool = True,
    ) -> Any:
        """Evaluate the pairs; failures are collected in `failures`, none is raised.

        Parameters
        ----------
        plugin
            Nipype execution plug-in; None for processes on this machine.
        plugin_args
            Its arguments; ``n_procs`` is the number of cores (1).
        update_hash
            As for every Nipype workflow.
        bypass_check
            There is no check that would ask anything.

        Returns
        -------
        networkx.DiGraph
            The graph that was run; empty if every pair was evaluated already.
        """
        out, base = self.output_directory, Path(self.base_dir)
        _describe(out, self.caps_directory)
        graph: Any = DiGraph()
        # Another run may have evaluated pairs since this one was asked for.
        self._to_do = self._missing(self._to_do)
        try:
            if self._to_do:
                with own_folder(base) as folder:
                    self.base_dir = folder
                    graph = self._run_graph(plugin, dict(plugin_args or {}), update_hash)
        finally:
            if not self.base_dir_was_specified:
                shutil.rmtree(base, ignore_errors=True)
        records = [
            record
            for job in self.jobs
            if pair_jobs.is_done(job, out)
            and (record := pair_jobs.read_record(job, out)) is not None
        ]
        failures = [
            self._rows_out[label] | {"reason": reason} for label, reason in self.failures.items()
        ]
        self.tables = write_results(out, records, failures, self._settings)
        return graph

    def _missing(self, jobs: Sequence[pair_jobs.PairJob]) -> list[pair_jobs.PairJob]:
        """List the pairs that are to be evaluated."""
        out = self.output_directory
        return [job for job in jobs if self._overwrite or not pair_jobs.is_done(job, out)]

    def _run_graph(self, plugin: Any, arguments: dict[str, Any], update_hash: bool) -> Any:
        for job in self._to_do:
            job.record_path(self.output_directory).unlink(missing_ok=True)
        runner: Any = plugin
        if plugin in (None, *LOCAL_PLUGINS):
            n_cores = int(arguments.get("n_procs", 1))
            by_memory = int(0.9 * memory_gb() // MEMORY_GB)
            n_processes = max(1, min(n_cores, by_memory, 2 * len(self._to_do)))
            self._n_threads = max(1, n_cores // n_processes)
            arguments |= {"n_procs": n_processes, "n_threads": self._n_threads}
        self._init_nodes()
        self.is_built = False
        self.build()
        # A folder of its own: an earlier run's reasons are not this one's.
        crashes = Path(tempfile.mkdtemp(prefix="crash-", dir=self.base_dir))
        self.config["execution"].update(
            {
                "crashdump_dir": str(crashes),
                "crashfile_format": "pklz",
                "stop_on_first_crash": "false",
                "poll_sleep_duration": "0.2",
                "create_report": "false",
            }
        )
        if plugin in (None, "Local"):
            runner = LocalPlugin(arguments)
        graph, error = DiGraph(), None
        try:
            graph = Workflow.run(self, runner, arguments, update_hash)
        except Exception as raised:
            error = raised
        reasons = _reasons(crashes)
        for job in self._to_do:
            if not pair_jobs.is_done(job, self.output_directory):
                reason = reasons.get(_node_name(job)) or (
                    "no process came to it" if error is None else one_line(error)
                )
                self.failures[str(job.row)] = reason
                self._rows_out[str(job.row)] = {
                    "participant_id": job.row.subject,
                    "session_id_t1ce": str(job.row.t1ce),
                    "session_id_t1nce": str(job.row.t1nce),
                    "quality": job.quality or "",
                }
        return graph

    def get_processed_visits(self) -> list[Visit]:
        """List the visits of the pairs that were evaluated already."""
        waiting = {job.name for job in self._to_do}
        return [
            Visit(job.row.subject, str(job.row.t1ce))
            for job in self.jobs
            if job.name not in waiting
        ]

    def determine_subject_and_session_to_process(self) -> None:
        """Leave out what is done."""
        self.subjects = [job.row.subject for job in self._to_do]
        self.sessions = [str(job.row.t1ce) for job in self._to_do]

    def get_input_fields(self) -> list[str]:
        """List the fields of the input node."""
        return []

    def get_output_fields(self) -> list[str]:
        """List the fields of the output node."""
        return []

    def _compute_subjects_and_sessions(self) -> None:
        self._subjects = [job.row.subject for job in self.jobs]
        self._sessions = [str(job.row.t1ce) for job in self.jobs]

    def _check_custom_dependencies(self) -> None:
        pass

    def _check_pipeline_parameters(self) -> None:
        unknown = set(self.parameters) - set(DEFAULTS)
        if unknown:
            raise SelectionError(
                f"unknown parameters {sorted(unknown)}; known: {', '.join(DEFAULTS)}"
            )

    def _build_input_node(self) -> None:
        """Nothing to do: each pair has a graph with inputs of its own."""

    def _build_core_nodes(self) -> None:
        settings = self._settings
        for job in self._to_do:
            graph = init_evaluation_wf(
                brain_mask="deepbet" if settings.mask_pattern else settings.brain_mask,
                align=settings.align,
                protocol=settings.protocol,
                segmentation=settings.kind,
                structures=settings.structures,
                noise_floor=settings.noise_floor,
                name=_node_name(job),
            )
            _set_inputs(graph.get_node("inputnode").inputs, job, settings)
            save = Node(SavePair(**self._saving(job)), name="save", mem_gb=1)
            graph.connect([(graph.get_node("outputnode"), save, [(f, f) for f in OUTPUTS])])
            self.add_nodes([graph])

    def _build_output_node(self) -> None:
        """Nothing to do: each pair is written to its place as soon as it is evaluated."""

    def _saving(self, job: pair_jobs.PairJob) -> dict[str, Any]:
        record = {
            "participant_id": job.row.subject,
            "session_id_t1ce": str(job.row.t1ce),
            "session_id_t1nce": str(job.row.t1nce),
            "quality": job.quality,
            "fingerprint": job.fingerprint,
            "sources": {name: str(path) for name, path in job.images.items()},
        }
        content: dict[str, Any] = {
            "record_path": str(job.record_path(self.output_directory)),
            "record": record,
            "images": list(job.images),
            "t1ce": str(job.images[pair_jobs.T1CE]),
            "synthetic": [str(path) for path in list(job.images.values())[2:]],
            "align": self._settings.align,
            "page_path": str(page_path(self.output_directory, record)),
        }
        if self._settings.structures is not None:
            content["names"] = dict(self._settings.structures)
        return content


def _set_inputs(inputs: Any, job: pair_jobs.PairJob, settings: pair_jobs.Settings) -> None:
    inputs.t1nce, inputs.t1ce, *inputs.synthetic = (str(path) for path in job.images.values())
    if job.masks:
        inputs.t1nce_mask = str(job.masks[pair_jobs.T1NCE])
        inputs.t1ce_mask = str(job.masks[pair_jobs.T1CE])
    if job.maps:
        inputs.probability_files = [[str(path) for path in job.maps[name]] for name in job.images]
    if job.labels:
        inputs.label_files = [str(job.labels[name]) for name in job.images]
    if settings.priors:
        inputs.prior_files = [str(path) for path in settings.priors]


def _node_name(job: pair_jobs.PairJob) -> str:
    # Nipype allows letters, digits and underscores.
    return "pair_" + "".join(c if c.isalnum() else "_" for c in job.name)


def _reasons(crashes: Path) -> dict[str, str]:
    """Read why nodes failed, from what Nipype leaves; by the name of the pair's graph."""
    from nipype.utils.filemanip import loadcrash

    reasons: dict[str, str] = {}
    for path in sorted(crashes.glob("crash-*.pklz")):
        try:
            content = loadcrash(str(path))
            graph = content["node"].fullname.split(".")[1]
            trace = content["traceback"]
        except Exception:  # a crash file of another release of Nipype, or half written
            continue
        text = trace if isinstance(trace, str) else "".join(trace)
        reasons.setdefault(graph, one_line(text))
    return reasons


def _check_output(out: Path, caps: Path) -> None:
    """Refuse a folder that holds something else, or lies where Clinica looks for images."""
    # It may lie in the CAPS, but beside its subjects.
    outputs.check_place(out, [caps / "subjects"])
    if not outputs.holds_files(out):
        return
    try:
        ours = outputs.read_description(out)["GeneratedBy"][0]["Description"] == _MARKER
    except (KeyError, IndexError, TypeError):
        ours = False
    if not ours:
        raise SelectionError(
            f"{out}: holds files that are not of {_MARKER}; give a new folder elsewhere"
        )


def _describe(out: Path, caps: Path) -> None:
    content = {
        "Name": "Evaluation of synthetic T1nce",
        "BIDSVersion": "1.9.0",
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": outputs.NAME,
                "Version": clinica_t1nce.__version__,
                "Description": _MARKER,
            }
        ],
        "SourceDatasets": [{"URL": Path(caps).resolve().as_uri()}],
    }
    write_text(out / dataset.DESCRIPTION, as_json(content))
