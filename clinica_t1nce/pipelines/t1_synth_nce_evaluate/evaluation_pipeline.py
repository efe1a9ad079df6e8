"""The Clinica pipeline: pairs of a CAPS in, tables, figures and a report out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Node

import clinica_t1nce
from clinica_t1nce.bids import pairs
from clinica_t1nce.caps import description
from clinica_t1nce.datasets import outputs
from clinica_t1nce.engine.event_log import FAILED, watch
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.evaluation.tables import PrintedTable
from clinica_t1nce.files.text import as_json, write_text
from clinica_t1nce.interfaces import SavePair
from clinica_t1nce.pipelines.clinica_pipeline import ClinicaPipeline
from clinica_t1nce.pipelines.t1_synth_nce_evaluate import pair_jobs
from clinica_t1nce.pipelines.t1_synth_nce_evaluate.pair_jobs import PairJob
from clinica_t1nce.pipelines.t1_synth_nce_evaluate.results import pair_page_path, write_results
from clinica_t1nce.workflows import init_evaluation_wf
from clinica_t1nce.workflows.evaluation import OUTPUTS

MEMORY_GB = 3.0
"""What one process needs at most: deepbet, or Atropos on a whole brain."""

DEFAULTS: dict[str, Any] = {
    "models": (),
    "settings": pair_jobs.EvaluationSettings(),
    "split": pairs.TEST,
}

_MARKER = "t1-synth-nce-evaluate"


class T1SynthNceEvaluate(ClinicaPipeline[PairJob]):
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
        Folder for tables, figures and report.
    overwrite
        Whether pairs that were evaluated already are evaluated again.
    base_dir
        Working directory; a temporary one, removed in the end, if not given.
    parameters
        Choices of the user: ``models`` (names; empty for all in the CAPS), ``settings`` and
        ``split`` (which rows of a table with such a column; ``"test"``).
    name
        Name of the pipeline.
    ignore_dependencies
        Dependencies that Clinica is not to look for; there are none.
    caps_name
        Name for a CAPS that has no description; none is written.

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

    nodes_per_item = 2
    shows_progress = False

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
        unknown = sorted(set(parameters or {}) - set(DEFAULTS))
        if unknown:
            raise SelectionError(f"unknown parameters {unknown}; known: {', '.join(DEFAULTS)}")
        parameters = {**DEFAULTS, **(parameters or {})}
        caps = Path(caps_directory).absolute()
        description.require_caps(caps, name=caps_name)
        self.output_directory = Path(output_directory).absolute()
        _check_output(self.output_directory, caps)
        self._settings: pair_jobs.EvaluationSettings = parameters["settings"]
        self.jobs, self.failures = pair_jobs.select_pairs(
            caps, Path(pairs_tsv), parameters["models"], self._settings, parameters["split"]
        )
        self._rows_out = {
            label: {"participant_id": label.partition(" ")[0]} for label in self.failures
        }
        self._overwrite = overwrite
        self.to_do, self.outcomes = self._missing(self.jobs), []
        self.tables: dict[str, PrintedTable] = {}
        self.connect_to_clinica(
            caps,
            name=name,
            caps_name=caps_name,
            base_dir=base_dir,
            ignore_dependencies=ignore_dependencies,
            parameters=parameters,
        )

    @property
    def models(self) -> list[str]:
        """Names of the models compared."""
        return [] if not self.jobs else list(self.jobs[0].images)[2:]

    def begin(self, n_cores: int, quiet: bool) -> None:
        """Leave out pairs that another run has evaluated since; remove what is made anew."""
        _write_description(self.output_directory, self.caps_directory)
        self.to_do = self._missing(self.to_do)
        for job in self.to_do:
            job.record_path(self.output_directory).unlink(missing_ok=True)

    def conclude(self, n_cores: int) -> None:
        """Write tables, figures and report."""
        out = self.output_directory
        for outcome in self.outcomes:
            if outcome.status == FAILED:
                self._leave_out(outcome.item, outcome.reason or "failed")
        records = [
            record
            for job in self.jobs
            if pair_jobs.is_evaluated(job, out)
            and (record := pair_jobs.read_record(job, out)) is not None
        ]
        failures = [
            self._rows_out[label] | {"reason": reason} for label, reason in self.failures.items()
        ]
        self.tables = write_results(out, records, failures, self._settings)

    def _missing(self, jobs: Sequence[PairJob]) -> list[PairJob]:
        """List the pairs that are to be evaluated."""
        out = self.output_directory
        return [job for job in jobs if self._overwrite or not pair_jobs.is_evaluated(job, out)]

    def _leave_out(self, job: PairJob, reason: str) -> None:
        self.failures[str(job.row)] = reason
        self._rows_out[str(job.row)] = {
            "participant_id": job.row.subject,
            "session_id_t1ce": str(job.row.t1ce),
            "session_id_t1nce": str(job.row.t1nce),
            "quality": job.quality or "",
        }

    def source_of(self, item: PairJob) -> str:
        """Give the name of a pair."""
        return item.name

    def label_of(self, item: PairJob) -> str:
        """Give the name of a pair."""
        return item.name

    @property
    def memory_per_process(self) -> float:
        """Memory that a process needs, in GB."""
        return MEMORY_GB

    def visits_of(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """List participant and session of the T1ce of all pairs, and of those that are to do."""
        every, missing = (
            [(job.row.subject, str(job.row.t1ce)) for job in jobs]
            for jobs in (self.jobs, self.to_do)
        )
        return every, missing

    def _build_input_node(self) -> None:
        """Nothing to do: each pair has a graph with inputs of its own."""

    def _build_core_nodes(self) -> None:
        settings = self._settings
        for job in self.to_do:
            graph = init_evaluation_wf(
                brain_mask=settings.mask_method,
                align=settings.align,
                protocol=settings.protocol,
                segmentations=settings.segmentations,
                noise_floor=settings.noise_floor,
                n_synthetic=len(self.models),
                name=_node_name(job),
            )
            _set_inputs(graph.get_node("inputnode").inputs, job, settings)
            save = Node(SavePair(**self._saving(job)), name="save", mem_gb=1)
            graph.connect([(graph.get_node("outputnode"), save, [(f, f) for f in OUTPUTS])])
            watch(graph, self.how.journal, self.source_of(job), "save")
            self.add_nodes([graph])

    def _saving(self, job: PairJob) -> dict[str, Any]:
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
            "page_path": str(pair_page_path(self.output_directory, record)),
        }
        return content


def _set_inputs(inputs: Any, job: PairJob, settings: pair_jobs.EvaluationSettings) -> None:
    inputs.t1nce, inputs.t1ce, *inputs.synthetic = (str(path) for path in job.images.values())
    if job.masks:
        inputs.t1nce_mask = str(job.masks[pair_jobs.T1NCE])
        inputs.t1ce_mask = str(job.masks[pair_jobs.T1CE])
    for name, found in job.segmented.items():
        files = [str(e) if isinstance(e, Path) else [str(path) for path in e] for e in found]
        setattr(inputs, f"files_{name}", files)
    if settings.priors:
        inputs.prior_files = [str(path) for path in settings.priors]


def _node_name(job: PairJob) -> str:
    # Nipype allows letters, digits and underscores.
    return "pair_" + "".join(c if c.isalnum() else "_" for c in job.name)


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


def _write_description(out: Path, caps: Path) -> None:
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
    write_text(out / description.DESCRIPTION, as_json(content))
