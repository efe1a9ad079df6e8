"""What became of the images that were asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import names, query, selection, table
from clinica_t1nce.engine import event_log
from clinica_t1nce.errors import one_line

DONE, SKIPPED, FAILED = "done", "skipped", "failed"


@dataclass(frozen=True)
class Outcome:
    """What became of one image that was asked for.

    Attributes
    ----------
    crop
        The T1ce.
    status
        ``"done"``, ``"skipped"`` (it was there already) or ``"failed"``.
    reason
        Why it failed, in one line.
    warning
        What is to be known about it although it was done.
    details
        The traceback of an error that nobody expected.
    """

    crop: query.Crop
    status: str
    reason: str | None = None
    warning: str | None = None
    details: str | None = None


def before_work(chosen: query.Selection, to_do: Sequence[query.Crop]) -> list[Outcome]:
    """Give the outcomes that are known before any work: skipped images and ambiguous ones."""
    waiting = set(to_do)
    return [Outcome(crop, SKIPPED) for crop in chosen.crops if crop not in waiting] + [
        Outcome(
            crop,
            FAILED,
            f"{crop.path}: another T1ce of this visit would have the same output; "
            "keep one of them in t1_linear, or tell them apart by acq- or run-",
        )
        for crop in chosen.ambiguous
    ]


def unjudged(failures: Mapping[Path, str]) -> list[Outcome]:
    """Give the outcomes of images of which it is not known whether they are T1ce."""
    return [
        Outcome(query.Crop(Visit(*path.parts[-4:-2]), path, selection.IMAGE), FAILED, reason)
        for path, reason in failures.items()
    ]


def undecided(chosen: query.Selection) -> list[Outcome]:
    """Give the outcomes of images whose metadata do not tell whether they are T1ce."""
    return [
        Outcome(query.Crop(Visit(*path.parts[-4:-2]), path, query.UNDECIDED), FAILED, str(error))
        for path, error in chosen.undecided.items()
    ]


def settle(
    to_do: Sequence[query.Crop], folder: Path, error: Exception | None
) -> tuple[list[Outcome], list[query.Crop]]:
    """Turn the journal of a run into outcomes.

    Parameters
    ----------
    to_do
        The images of the run.
    folder
        Its journal.
    error
        What the execution plug-in raised, if anything.

    Returns
    -------
    outcomes : list of Outcome
    left : list of Crop
        Images that a process died too early to come to. If no image at all was come to, they
        have failed instead: another run would not do better.
    """
    events = event_log.latest(folder)
    outcomes, left = [], []
    for crop in to_do:
        event = events.get(str(crop.path))
        if event is None:
            left.append(crop)
        elif event.kind == event_log.STARTED:
            reason = (
                f"{crop.path}: the process that worked on it was killed, most likely for lack of "
                "memory; run again with fewer processes (-np)"
            )
            outcomes.append(Outcome(crop, FAILED, reason))
        else:
            status = DONE if event.kind == event_log.DONE else FAILED
            outcomes.append(Outcome(crop, status, event.reason, event.warning, event.details))
    if left and not outcomes:
        reason = "no process came to it" if error is None else one_line(error)
        details = None if error is None else str(error)
        return [Outcome(crop, FAILED, f"{crop.path}: {reason}", None, details) for crop in left], []
    return outcomes, left


def failed_row(outcome: Outcome, caps: Path, model: str) -> table.Row:
    """Describe a failure for the table at the root of the CAPS."""
    crop = outcome.crop
    return table.failed_row(
        crop.visit.subject,
        crop.visit.session,
        names.uri(crop.path, caps, caps),
        model,
        crop.selected_by,
        outcome.reason or "",
    )
