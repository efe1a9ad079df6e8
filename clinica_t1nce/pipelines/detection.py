"""Find out, on this machine, which crops of a CAPS show gadolinium."""

import logging
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Workflow

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import names
from clinica_t1nce.engine.event_log import FAILED
from clinica_t1nce.models.cards import Card
from clinica_t1nce.pipelines.resumable import Model, ResumablePipeline, Round, passing_folder
from clinica_t1nce.translation import classification

VisitCrop = tuple[Visit, Path]


class Detection(ResumablePipeline[VisitCrop]):
    """Classify crops of t1-linear; each result is written into the CAPS as soon as it is there.

    Parameters
    ----------
    caps
        Root of the CAPS.
    crops
        Visits and paths of the crops.
    model
        Weights that classify.
    again
        Whether crops that these weights have classified before are classified again.

    Raises
    ------
    WeightsError
        If the weights have no detector.
    """

    def __init__(
        self, caps: Path, crops: Sequence[VisitCrop], model: Model, *, again: bool = False
    ):
        classification.require_detector(model.card, model.card.calibration.get("gadolinium"))
        self._caps, self._crops, self._model = caps, list(crops), model
        self.device = model.device
        before = {} if again else self.probabilities
        self.to_do = [(visit, crop) for visit, crop in crops if crop not in before]
        self.outcomes = []

    @property
    def probabilities(self) -> dict[Path, float]:
        """Probability of each crop that gadolinium was given, as far as it is known."""
        return known_probabilities([crop for _, crop in self._crops], self._model.card)

    @property
    def failures(self) -> dict[Path, str]:
        """Reasons of the crops that could not be classified."""
        failed = (outcome for outcome in self.outcomes if outcome.status == FAILED)
        return {outcome.item[1]: outcome.reason or "failed" for outcome in failed}

    @property
    def memory_per_process(self) -> float:
        """Memory that a process needs, in GB."""
        return self._model.memory_gb

    def run(self, n_procs: int = 1, *, quiet: bool = False) -> Mapping[Path, float]:
        """Classify what is to do.

        Parameters
        ----------
        n_procs
            Number of cores.
        quiet
            Whether no progress is shown.

        Returns
        -------
        dict
            Probability of each crop; those that failed are left out.
        """
        if self.to_do:
            path = Path(tempfile.gettempdir(), f"t1nce-detect-{secrets.token_hex(8)}")
            with passing_folder(path) as folder, _muted_nipype():
                self.work(folder, plugin_args={"n_procs": n_procs}, quiet=quiet)
        return self.probabilities

    def source_of(self, item: VisitCrop) -> str:
        """Give the path of a crop."""
        return str(item[1])

    def label_of(self, item: VisitCrop) -> str:
        """Give the visit of a crop."""
        return str(item[0])

    def build_round(self, items: Sequence[VisitCrop], how: Round) -> Workflow:
        """Build the graph that classifies crops."""
        from clinica_t1nce.workflows import init_detection_wf

        workflow = init_detection_wf(
            model=self._model.name,
            device=self._model.device,
            n_batches=how.n_batches,
            n_threads=how.n_threads,
            memory_gb=self._model.memory_gb,
            continue_on_error=True,
            dataset_root=self._caps,
            journal_dir=how.journal,
        )
        doors: Any = workflow.inputs.inputnode
        doors.in_files = [str(crop) for _, crop in items]
        doors.out_files = [str(names.gadolinium_path(crop)) for _, crop in items]
        return workflow


@contextmanager
def _muted_nipype() -> Iterator[None]:
    """Keep Nipype from telling of each node what the progress tells of each image."""
    logger = logging.getLogger("nipype.workflow")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def known_probabilities(crops: Sequence[Path], card: Card) -> dict[Path, float]:
    """Give the probabilities that some weights found before, by crop."""
    found = {crop: classification.find_probability(crop, card.name, card.sha256) for crop in crops}
    return {crop: value for crop, value in found.items() if value is not None}
