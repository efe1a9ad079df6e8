"""The Clinica pipeline: T1ce crops of a CAPS in, synthetic T1nce in the same CAPS out."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinica_t1nce.bids.contrast_agents import describe_unknown, read_words
from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.bids.t1w_images import Dataset
from clinica_t1nce.caps import description, names, query, selection, sidecar, table
from clinica_t1nce.caps.query import Crop, Shard
from clinica_t1nce.engine.event_log import DONE, EXCLUDED, FAILED, SKIPPED, Event
from clinica_t1nce.errors import SelectionError, one_line
from clinica_t1nce.pipelines.clinica_pipeline import ClinicaPipeline
from clinica_t1nce.pipelines.detection import Detection, known_probabilities
from clinica_t1nce.pipelines.resumable import check_model
from clinica_t1nce.translation import classification
from clinica_t1nce.translation.jobs import Job
from clinica_t1nce.translation.options import Options
from clinica_t1nce.workflows import init_synthesis_wf

if TYPE_CHECKING:
    from clinica_t1nce.models.cards import Card

_FIELDS = ("in_files", "out_files", "selected_by", "classification_files")


class T1SynthNce(ClinicaPipeline[Crop]):
    """Translate the T1ce of a CAPS into synthetic T1nce.

    Everything that can be known to be wrong is raised here, before any work; the network is not
    asked here.

    Parameters
    ----------
    caps_directory
        CAPS with crops of ``t1-linear``. The T1nce are written into it.
    tsv_file
        Table of the visits to take; without it, all visits are looked at.
    overwrite_caps
        Whether images that are there already are made again.
    base_dir
        Working directory; a temporary one, removed in the end, if not given.
    parameters
        Choices of the user, by the names of the fields of
        :class:`clinica_t1nce.translation.options.Options`, or such an object.
    name
        Name of the pipeline.
    ignore_dependencies
        Dependencies that Clinica is not to look for; there are none.
    caps_name
        Name for a CAPS that has no ``dataset_description.json``: it is written then.

    Attributes
    ----------
    card : Card
        Card of the model.
    options : Options
        Choices of the user.
    outcomes : list of clinica_t1nce.engine.event_log.Event
        Last event of each image that was asked for, once the pipeline has run.
    n_excluded : int
        Images that showed no gadolinium and were to tell, once the pipeline has run.
    remade : collections.Counter
        Numbers of images that are made again, by what was wrong with them.
    table : pathlib.Path
        Table of all images, or of those of a shard, once the pipeline has run.
    report : pathlib.Path or None
        Index of the HTML pages, once it is written; a run on a shard writes pages alone.
    report_failures : list of str
        Parts of the report that could not be written, and why, a line each.

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

    def __init__(
        self,
        caps_directory: str | Path,
        tsv_file: str | Path | None = None,
        overwrite_caps: bool = False,
        base_dir: str | Path | None = None,
        parameters: Mapping[str, Any] | Options | None = None,
        name: str = "t1-synth-nce",
        ignore_dependencies: list[str] | None = None,
        caps_name: str | None = None,
    ):
        caps = Path(caps_directory).absolute()
        description.require_caps(caps, name=caps_name)
        options = parameters if isinstance(parameters, Options) else Options.of(parameters or {})
        tsv = None if tsv_file is None else Path(tsv_file)
        bids, table_of_words = options.bids_directory, options.agent_words
        self._request = selection.SelectionRequest(
            caps,
            selection.rule_for(options.select, tsv),
            tsv,
            None if bids is None else Dataset(bids, read_words(table_of_words)),
            include_t1nce=options.include_t1nce,
            shard=None if options.shard is None else Shard.parse(options.shard),
        )
        self._model = check_model(options.model, options.device)
        self.card, self.device = self._model.card, self._model.device
        self.options = replace(
            options,
            model=self._model.name,
            device=self.device,
            select=self._request.rule,
            keep_existing=not overwrite_caps,
        )
        self.outcomes, self.n_excluded, self.remade = [], 0, Counter[sidecar.Lack]()
        self.table = caps / table.NAME
        self._rows = table.Rows()
        self.report: Path | None = None
        self.report_failures: list[str] = []
        if self.options.reports_only and overwrite_caps:
            raise SelectionError("--reports-only and --overwrite_outputs: give one of them")
        self._selection = self._select()
        if self.options.reports_only:
            self._leave_out_untranslated()
        self.to_do = self._missing(self._selection.crops)
        files = len(options.output_spaces) * (2 if options.save_enhancement else 1)
        if self.to_do:
            description.check_room(caps, len(self.to_do) * files)
        self.connect_to_clinica(
            caps,
            name=name,
            caps_name=caps_name,
            base_dir=base_dir,
            ignore_dependencies=ignore_dependencies,
            parameters=asdict(self.options),
            tsv_file=tsv_file,
            overwrite_caps=overwrite_caps,
            describe=True,
        )

    @property
    def n_selected(self) -> int:
        """Number of images that were asked for, or are to tell whether they are."""
        chosen = self._selection
        return len([*chosen.crops, *chosen.ambiguous, *chosen.colliding, *chosen.undecided])

    @property
    def unknown_words(self) -> str | None:
        """Words on contrast agents that are not known, in one line; None if there are none."""
        return describe_unknown(self._selection.undecided.values())

    def output_path(self, crop: Crop) -> Path:
        """Say where the T1nce of a crop belongs, on the first grid that was asked for."""
        return self.job_of(crop).first.image

    def job_of(self, crop: Crop) -> Job:
        """Give the job of a crop, with all its paths."""
        return Job(
            crop.path,
            names.output_path(crop.path, self.card.name),
            self._request.caps,
            crop.selected_by,
            self.options,
        )

    def begin(self, n_cores: int, quiet: bool) -> None:
        """Let colliding images tell what they are; note what is skipped or cannot be done."""
        if self._selection.colliding:
            self._settle_collisions(n_cores, quiet)
        waiting = set(self.to_do)
        skipped = [Event(c, SKIPPED) for c in self._selection.crops if c not in waiting]
        self.outcomes += [*skipped, *map(_ambiguous, self._selection.ambiguous)]
        self.outcomes += [
            Event(Crop(Visit(*path.parts[-4:-2]), path, None), FAILED, str(error))
            for path, error in self._selection.undecided.items()
        ]

    def source_of(self, item: Crop) -> str:
        """Give the path of a crop."""
        return str(item.path)

    def label_of(self, item: Crop) -> str:
        """Give the visit of a crop."""
        return str(item.visit)

    @property
    def memory_per_process(self) -> float:
        """Memory that a process needs, in GB."""
        return self._model.memory_gb

    def visits_of(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """List participant and session of all that was asked for, and of all that is to do."""
        every, missing = (
            sorted({(crop.visit.subject, crop.visit.session) for crop in crops})
            for crops in (self._selection.crops, self.to_do)
        )
        return every, missing

    def get_input_fields(self) -> list[str]:
        """List the fields of the input node."""
        return list(_FIELDS)

    def get_output_fields(self) -> list[str]:
        """List the fields of the output node."""
        return ["out_files", "failures"]

    def _build_input_node(self) -> None:
        doors, crops = self.input_node.inputs, self.to_do
        doors.in_files = [str(crop.path) for crop in crops]
        doors.out_files = [str(self.job_of(crop).output) for crop in crops]
        doors.selected_by = [
            crop.selected_by and (crop.selected_by.rule, crop.selected_by.reason or "")
            for crop in crops
        ]
        doors.classification_files = [str(names.gadolinium_path(crop.path)) for crop in crops]

    def _build_core_nodes(self) -> None:
        synthesis = init_synthesis_wf(
            options=replace(self.options, n_threads=self.how.n_threads),
            n_batches=self.how.n_batches,
            memory_gb=self._model.memory_gb,
            continue_on_error=True,
            dataset_root=self._request.caps,
            journal_dir=self.how.journal,
            report_dir=self._report_folder,
            name="synthesis",
        )
        fields = [(field, f"inputnode.{field}") for field in _FIELDS]
        results = [(f"outputnode.{field}", field) for field in self.get_output_fields()]
        self.connect([(self.input_node, synthesis, fields), (synthesis, self.output_node, results)])

    def _select(self) -> query.Selection:
        """Choose images by what is known before any work."""
        if self._request.rule == query.IMAGE:
            classification.require_detector(self.card, self.card.calibration.get("gadolinium"))
            crops = [crop for _, crop in selection.candidates(self._request)]
            self._request = replace(
                self._request, probabilities=known_probabilities(crops, self.card)
            )
        return selection.select(self._request)

    def _leave_out_untranslated(self) -> None:
        """Keep the images that are there, and say how many are not."""
        chosen = self._selection
        there = tuple(crop for crop in chosen.crops if self.output_path(crop).is_file())
        if absent := len(chosen.crops) - len(there):
            self.report_failures.append(
                f"{absent} of {len(chosen.crops)} images are not there yet, and have no page"
            )
        self._selection = query.Selection(crops=there)

    def _missing(self, crops: tuple[Crop, ...]) -> list[Crop]:
        """List the images that are not there, or not as asked for."""
        if not self.options.keep_existing:
            return list(crops)
        if self.options.reports_only:
            return []
        model, missing = sidecar.describe_model(self.card), []
        for crop in crops:
            lacks = self.job_of(crop).lacks(model, self._rows.read)
            if lacks:
                missing.append(crop)
                self.remade.update({lack for lack in lacks.values() if lack != "missing"})
        return missing

    def _settle_collisions(self, n_cores: int, quiet: bool) -> None:
        """Let images that would have one output tell first which of them are T1ce."""
        crops = [(crop.visit, crop.path) for crop in self._selection.colliding]
        detection = Detection(self._request.caps, crops, self._model)
        found = detection.run(n_cores, quiet=quiet)
        self.outcomes += [
            Event(Crop(visit, path, None), FAILED, detection.failures[path])
            for visit, path in crops
            if path in detection.failures
        ]
        chosen = [
            Crop(visit, path, selected_by)
            for visit, path in crops
            if path in found
            and (selected_by := selection.by_image(found[path], self.options.include_t1nce))
        ]
        self.n_excluded += len(found) - len(chosen)
        settled = query.without_collisions(chosen)
        self._selection = replace(
            self._selection,
            crops=(*self._selection.crops, *settled.crops),
            ambiguous=(*self._selection.ambiguous, *settled.ambiguous),
            colliding=(),
        )
        self.to_do += self._missing(settled.crops)

    def conclude(self, n_cores: int) -> None:
        """Put the outcomes in order; write the tables and the report."""
        caps, shard = self._request.caps, self._request.shard
        self.n_excluded += sum(outcome.status == EXCLUDED for outcome in self.outcomes)
        self.outcomes = sorted(
            (outcome for outcome in self.outcomes if outcome.status != EXCLUDED),
            key=lambda outcome: outcome.item.path,
        )
        self.table = table.rewrite(
            caps,
            (
                table.failed_row(
                    outcome.item.visit.subject,
                    outcome.item.visit.session,
                    names.uri(outcome.item.path, caps, caps),
                    self.card.name,
                    self._told_by(outcome.item),
                    # The table and the pages may be shared: where the CAPS lies is nobody's matter.
                    (outcome.reason or "").replace(f"{caps}{os.sep}", ""),
                )
                for outcome in self.outcomes
                if outcome.status == FAILED
            ),
            shard,
            self._rows,
        )
        if shard is None and self._request.rule == query.IMAGE:
            crops = selection.candidates(self._request)
            classification.rewrite_table(
                caps, crops, self.card.name, self.card.sha256, self._request.dataset
            )
        if self.options.report:
            self._complete_report(n_cores)

    def _told_by(self, crop: Crop) -> str:
        if crop.path in self._selection.undecided:
            return query.UNDECIDED
        return str(crop.selected_by or self._request.rule)

    @property
    def _report_folder(self) -> Path:
        from clinica_t1nce.report.synthetic_pages import FOLDER

        return self._request.caps / FOLDER

    def _complete_report(self, n_cores: int) -> None:
        """Write pages that are missing, and the index; whatever fails, the images are there."""
        from clinica_t1nce.report.synthetic_pages import Shown, complete

        jobs = [self.job_of(item.item) for item in self.outcomes if item.status in (DONE, SKIPPED)]
        shown = [Shown(job.first.image, job.output) for job in jobs if job.output is not None]
        n_threads = min(n_cores, os.cpu_count() or 1)
        try:
            self.report, failures = complete(
                self._report_folder,
                self._request.caps,
                shown,
                n_threads,
                again=self.options.reports_only,
                index=self._request.shard is None,
            )
        except Exception as error:
            self.report_failures.append(one_line(error))
        else:
            self.report_failures += [f"{image}: no page: {reason}" for image, reason in failures]


def _ambiguous(crop: Crop) -> Event[Crop]:
    return Event(
        crop,
        FAILED,
        f"{crop.path}: another T1ce of this visit would have the same output; "
        "keep one of them in t1_linear, or tell them apart by acq- or run-",
    )
