"""The BIDS App: every T1ce of a BIDS data set translated into a BIDS derivative."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clinica_t1nce.bids.contrast_agents import read_words
from clinica_t1nce.bids.entities import Visit, passes, read_filter
from clinica_t1nce.bids.t1w_images import T1CE, Dataset, T1w
from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.caps.flags import read_flags
from clinica_t1nce.datasets import derivative, outputs
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.text import table_text, write_text
from clinica_t1nce.pipelines.resumable import Model
from clinica_t1nce.pipelines.single_images import (
    each,
    share_cores,
    translator,
    write_page_again,
)
from clinica_t1nce.translation.single_files import SingleJob

VALIDATORS = ("bids-validator-deno", "bids-validator")
"""Commands that validate a BIDS data set, the one to prefer first."""

TABLE = "t1nce.tsv"
COLUMNS = (
    "participant_id",
    "session_id",
    "t1nce",
    "source",
    "gadolinium",
    "confidence",
    "change",
    "flag",
)


@dataclass(frozen=True)
class AppRequest:
    """What the BIDS App is asked for.

    Attributes
    ----------
    bids, out
        Roots of the BIDS and of the derivative.
    participants, sessions
        Labels, with or without ``sub-`` and ``ses-``; none: all.
    filter_file, agent_words
        Tables of :func:`clinica_t1nce.bids.entities.read_filter` and
        :func:`clinica_t1nce.bids.contrast_agents.read_words`.
    space
        One of :data:`clinica_t1nce.datasets.derivative.SPACES`.
    save_enhancement
        Whether what was removed is written, too.
    """

    bids: Path
    out: Path
    participants: Sequence[str] = ()
    sessions: Sequence[str] = ()
    filter_file: Path | None = None
    agent_words: Path | None = None
    space: str = derivative.SPACES[0]
    save_enhancement: bool = False


@dataclass
class DerivativePlan:
    """What is to be done.

    Attributes
    ----------
    to_do, done
        T1ce to translate, and those whose T1nce is there already.
    n_others
        Number of T1nce that were looked at and left alone.
    failed
        Reasons of visits whose images cannot be told apart.
    """

    to_do: list[SingleJob] = field(default_factory=list)
    done: list[SingleJob] = field(default_factory=list)
    n_others: int = 0
    failed: list[str] = field(default_factory=list)


def plan_derivative(request: AppRequest, model: Model) -> DerivativePlan:
    """Find the T1ce of a BIDS, and say which of them are to be translated.

    Raises
    ------
    SelectionError
        If the request cannot be served.
    """
    dataset = Dataset(request.bids, read_words(request.agent_words), without_sessions=True)
    derivative.check_derivative(request.out, request.bids)
    conditions = {} if request.filter_file is None else read_filter(request.filter_file)
    found = DerivativePlan()
    n_seen, taken = 0, dict[Path, str]()
    for images in _visits(request, dataset, found):
        chosen = [image for image in images if passes(image.path.name, conditions)]
        n_seen += len(chosen)
        for image in chosen:
            if image.kind != T1CE:
                found.n_others += 1
                continue
            files = _job_of(request, image.path)
            if files.image in taken:
                found.failed.append(
                    f"{image.path}: its T1nce would have the name of that of {taken[files.image]}; "
                    "choose one with --bids-filter-file"
                )
                continue
            taken[files.image] = image.path.name
            lack = sidecar.lack(files.image, [image.path], sidecar.describe_model(model.card))
            whole = lack is None and all(path.is_file() for path in files.outputs)
            (found.done if whole else found.to_do).append(files)
    if not n_seen and not found.failed:
        advice = "; give a data set with T1w images"
        if request.participants or request.sessions or conditions:
            advice = (
                " of these participants, sessions and entities; check the labels and the filter "
                "file"
            )
        raise SelectionError(f"{request.bids}: no T1w{advice}")
    return found


def translate_planned(
    request: AppRequest, model: Model, jobs: Sequence[SingleJob], n_procs: int
) -> Iterator[tuple[SingleJob, dict[str, Any] | None, str | None]]:
    """Translate images; yields each with its sidecar's content, or None and a reason."""
    outputs.make_files(
        request.out, derivative.make_texts(request.bids, sidecar.describe_model(model.card))
    )
    n_processes, n_threads = share_cores(len(jobs), n_procs, model)
    yield from each(translator(model, n_threads, request.bids), jobs, n_processes)


def write_pages_again(
    model: Model, jobs: Sequence[SingleJob], n_procs: int
) -> Iterator[tuple[SingleJob, dict[str, Any] | None, str | None]]:
    """Write the pages of T1nce that are there; yields each with the reason if it fails, or None."""
    yield from each(write_page_again, jobs, share_cores(len(jobs), n_procs, model)[0])


def write_group(out: Path) -> tuple[Path, int]:
    """Write the table and the page of all images of the derivative; give the page and a number.

    Raises
    ------
    SelectionError
        If there are no images.
    """
    from clinica_t1nce.report import thumbnails
    from clinica_t1nce.report.group_page import PageEntry, write_group_report

    rows, entries = [], []
    for image in sorted(out.glob("sub-*/**/anat/*_desc-synthnce_T1w.nii.gz")):
        content = sidecar.read(image) or {}
        flags = read_flags(content)
        known: dict[str, Any] = {
            "source": next(iter(content.get("Sources", [])), None),
            "gadolinium": content.get("GadoliniumProbability"),
            "confidence": content.get("Confidence"),
            "change": content.get("Change", {}).get("MeanRelativeToSource"),
        }
        path = image.relative_to(out)
        labels = dict.fromkeys(part for part in path.parts if part[:4] in ("sub-", "ses-"))
        visit = [label for label in labels if "_" not in label]
        rows.append(
            {
                "participant_id": visit[0],
                "session_id": visit[1] if len(visit) > 1 else None,
                "t1nce": path.as_posix(),
                "flag": "; ".join(flag.text for flag in flags) or None,
                **known,
            }
        )
        page = _page(image)
        confidence = known["confidence"]
        entries.append(
            PageEntry(
                names.sidecar_path(image).stem.partition("_desc-")[0].replace("_", " "),
                page.relative_to(out).as_posix() if page.is_file() else None,
                float("nan") if confidence is None else confidence,
                {
                    "Confidence": confidence,
                    "Gadolinium": known["gadolinium"],
                    "Change, % of T1ce": None if known["change"] is None else 100 * known["change"],
                },
                [flag.code.replace("-", " ") for flag in flags],
                visit=Visit(visit[0], "".join(visit[1:])),
                has_thumbnail=thumbnails.path_of(page).is_file(),
            )
        )
    if not rows:
        raise SelectionError(f"{out}: holds no synthetic T1nce; run the level participant first")
    write_text(out / TABLE, table_text(rows, COLUMNS))
    note = "Synthetic T1nce, the least confident first."
    page = write_group_report(
        out, {}, [], entries, note, title="Synthetic T1nce", order="confidence, lowest first"
    )
    return page, len(rows)


def validate(bids: Path) -> str | None:
    """Run the BIDS validator that is installed; give its name, None where there is none.

    Raises
    ------
    SelectionError
        If it finds errors, or fails itself.
    """
    command = next(filter(shutil.which, VALIDATORS), None)
    if command is None:
        return None
    done = subprocess.run(
        [command, str(bids), "--ignoreWarnings"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode and done.stderr and not done.stdout:
        raise SelectionError(
            f"{command} fails ({done.stderr.strip().splitlines()[-1]}); mend it, or give "
            "--skip-bids-validation"
        )
    if done.returncode:
        raise SelectionError(
            f"{bids}: {command} finds errors in it; run it to see them, or give "
            "--skip-bids-validation"
        )
    return command


def _visits(request: AppRequest, dataset: Dataset, found: DerivativePlan) -> Iterator[list[T1w]]:
    wanted = {f"sub-{label.removeprefix('sub-')}" for label in request.participants}
    there = {visit.subject for visit in dataset.visits}
    if missing := sorted(wanted - there):
        raise SelectionError(
            f"{request.bids}: no participant {', '.join(missing)}; check the labels"
        )
    sessions = {f"ses-{label.removeprefix('ses-')}" for label in request.sessions}
    for visit in dataset.visits:
        if (wanted and visit.subject not in wanted) or (sessions and visit.session not in sessions):
            continue
        try:
            yield dataset.t1w(visit)
        except SelectionError as error:
            found.failed.append(f"{visit}: {error}")


def _job_of(request: AppRequest, source: Path) -> SingleJob:
    image = derivative.derivative_path(source, request.bids, request.out, request.space)
    native = request.space == derivative.SPACES[0]
    return SingleJob(
        source,
        image,
        names.enhancement_path(image) if request.save_enhancement else None,
        _page(image),
        names.NATIVE if native else names.MNI_CROP,
        thumbnail=True,
    )


def _page(image: Path) -> Path:
    return names.sidecar_path(image).with_suffix(".html")
