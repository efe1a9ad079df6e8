"""Judge the crops of a CAPS on this machine: in processes side by side, with progress."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import names
from clinica_t1nce.engine import event_log
from clinica_t1nce.engine.progress import follow
from clinica_t1nce.engine.resources import memory_gb, share_out
from clinica_t1nce.errors import WeightsError, one_line
from clinica_t1nce.models.cards import Card
from clinica_t1nce.pipelines.models import Model
from clinica_t1nce.translation import judgement


def detect(
    caps: Path,
    crops: Sequence[tuple[Visit, Path]],
    model: Model,
    *,
    n_procs: int = 1,
    again: bool = False,
    quiet: bool = False,
) -> tuple[dict[Path, float], dict[Path, str]]:
    """Find the probability that each crop shows gadolinium.

    What these weights judged before is not judged again. Each judgement is written into the CAPS
    as soon as it is made.

    Parameters
    ----------
    caps
        Root of the CAPS.
    crops
        Those to judge.
    model
        That judges.
    n_procs
        Cores.
    again
        Judge those again that were judged before.
    quiet
        Show no progress.

    Returns
    -------
    probabilities : dict
        By crop.
    failures : dict
        Reasons by crop.

    Raises
    ------
    WeightsError
        If the weights have no detector.
    """
    check_detector(model.card)
    known = {} if again else _known(crops, model.card)
    to_do = [(visit, crop) for visit, crop in crops if crop not in known]
    if not to_do:
        return known, {}
    failures = _run(caps, to_do, model, n_procs, quiet)
    return _known(crops, model.card), failures


def check_detector(card: Card) -> None:
    """Refuse weights that cannot tell whether gadolinium was given.

    Raises
    ------
    WeightsError
        If the card has no detector.
    """
    if "gadolinium" not in card.calibration:
        raise WeightsError(
            f"{card.name}: these weights cannot tell whether gadolinium was given; calibrate them "
            "(`clinica-t1nce calibrate`) or choose others with --model"
        )


def _known(crops: Sequence[tuple[Visit, Path]], card: Card) -> dict[Path, float]:
    found = {crop: judgement.read(crop, card.name, card.sha256) for _, crop in crops}
    return {crop: value for crop, value in found.items() if value is not None}


def _run(
    caps: Path, crops: Sequence[tuple[Visit, Path]], model: Model, n_procs: int, quiet: bool
) -> dict[Path, str]:
    """Judge crops; give the reasons of those that failed."""
    from clinica_t1nce.engine.local_plugin import LocalPlugin
    from clinica_t1nce.workflows import init_detection_wf

    n_batches, n_threads = 1, n_procs
    if model.device != "cuda":
        n_batches, n_threads = share_out(len(crops), n_procs, model.memory_gb, 0.9 * memory_gb())
    with tempfile.TemporaryDirectory(prefix="t1nce-detect-") as work:
        log = Path(work, "journal")
        workflow = init_detection_wf(
            model=model.name,
            device=model.device,
            n_batches=n_batches,
            n_threads=n_threads,
            memory_gb=model.memory_gb,
            continue_on_error=True,
            dataset_root=caps,
            journal_dir=log,
        )
        workflow.base_dir = work
        workflow.config["execution"] = {
            "crashdump_dir": str(Path(work, "crash")),
            "stop_on_first_crash": "false",
            "poll_sleep_duration": "0.2",
            "create_report": "false",
        }
        workflow.inputs.inputnode.in_files = [str(crop) for _, crop in crops]
        workflow.inputs.inputnode.out_files = [
            str(names.gadolinium_path(crop)) for _, crop in crops
        ]
        labels = {str(crop): str(visit) for visit, crop in crops}
        runner = LocalPlugin({"n_procs": n_batches, "n_threads": n_threads})
        error: Exception | None = None
        with _muted_nipype(), follow(log, labels, quiet=quiet):
            try:
                workflow.run(runner)
            except Exception as raised:
                error = raised
        events = event_log.latest(log)
    return _failures([crop for _, crop in crops], events, error)


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


def _failures(
    crops: Sequence[Path], events: dict[str, event_log.Event], error: Exception | None
) -> dict[Path, str]:
    failures = {}
    for crop in crops:
        event = events.get(str(crop))
        if event is None:
            reason = one_line(error) if error else "no process came to it"
            failures[crop] = f"{crop}: not judged ({reason}); run again"
        elif event.kind == event_log.STARTED:
            failures[crop] = (
                f"{crop}: the process that worked on it was killed, most likely for lack of "
                "memory; run again with fewer processes (-np)"
            )
        elif event.kind == event_log.FAILED:
            failures[crop] = event.reason or "failed"
    return failures
