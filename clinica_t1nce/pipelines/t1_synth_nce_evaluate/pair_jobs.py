"""Which pairs are evaluated, with which files, and what has been done already."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from clinica_t1nce.bids import pairs
from clinica_t1nce.caps import names
from clinica_t1nce.caps.query import find_pair
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.evaluation.frames import quality_of
from clinica_t1nce.evaluation.structures import MAPS, VolumeMethod
from clinica_t1nce.files.text import find_json
from clinica_t1nce.workflows.evaluation import BOTH_MASKS, Align, BrainMethod, Protocol

UsableRow = tuple[pairs.PairRow, Mapping[str, str]]

Wanted = pairs.Split | Literal["all"]
"""Split of a table whose rows are evaluated."""

T1CE, T1NCE = "T1ce", "T1nce"
GRADES = ("contrast", "motion", "noise")

SPM_FOLDER = ("t1", "spm", "segmentation", "native_space")
N_MAPS = 3
SPM_TISSUES = ("graymatter", "whitematter", "csf")

VERSION = 5
"""Of the records: another one makes all pairs anew."""


@dataclass(frozen=True)
class EvaluationSettings:
    """How pairs are evaluated; the fields are the command's options.

    Attributes
    ----------
    brain_mask
        A method, or a file or pattern of masks.
    align, protocol
        Options of :func:`clinica_t1nce.workflows.init_evaluation_wf`.
    segmentations
        Ways to get volumes.
    spm_caps
        CAPS with SPM's maps, by ``"T1nce"``, ``"T1ce"`` and the names of models.
    priors
        Files of GM, WM and CSF, for Atropos.
    noise_floor
        Whether the T1nce is segmented again after small changes.
    """

    brain_mask: str = "deepbet"
    align: Align = "rigid"
    protocol: Protocol = "standard"
    segmentations: tuple[VolumeMethod, ...] = BOTH_MASKS
    spm_caps: Mapping[str, Path] = field(default_factory=dict)
    priors: tuple[Path, ...] = ()
    noise_floor: bool = False

    @property
    def mask_method(self) -> BrainMethod:
        """Method for images without a mask of their own."""
        return "deepbet" if self.mask_pattern else cast(BrainMethod, self.brain_mask)

    @property
    def mask_pattern(self) -> str | None:
        """The pattern of masks, if it is one."""
        return None if self.brain_mask in get_args(BrainMethod) else self.brain_mask


@dataclass(frozen=True)
class PairJob:
    """One pair to evaluate.

    Attributes
    ----------
    row
        Row of the table.
    quality
        Quality of the T1ce, or None.
    images
        The T1nce, the T1ce and the output of each model, by ``"T1nce"``, ``"T1ce"`` and model.
    masks
        Brain masks of the T1nce and the T1ce, if the user has them.
    segmented
        By the name of a segmentation that takes files: the label map, or the tissue maps, of each
        of `images`.
    fingerprint
        Digest of all that the result depends on.
    """

    row: pairs.PairRow
    quality: str | None
    images: Mapping[str, Path]
    masks: Mapping[str, Path]
    segmented: Mapping[str, Sequence[Path | Sequence[Path]]]
    fingerprint: str

    @property
    def name(self) -> str:
        """``sub-<label>_ses-<label of the T1ce's session>``."""
        return f"{self.row.subject}_{self.row.t1ce}"

    def folder(self, out: Path) -> Path:
        """Say where the results of the pair belong."""
        return out / self.row.subject / str(self.row.t1ce)

    def record_path(self, out: Path) -> Path:
        """Say where the record of the pair belongs: it is written last."""
        return self.folder(out) / f"{self.name}_desc-evaluation_measures.json"


def select_pairs(
    caps: Path,
    tsv: Path,
    models: Sequence[str],
    settings: EvaluationSettings,
    split: Wanted = "test",
) -> tuple[list[PairJob], dict[str, str]]:
    """Find what the rows of a table ask for.

    Parameters
    ----------
    caps, tsv
        The command's arguments.
    models
        Names or files of weights, as t1-synth-nce takes them; empty for all that have written into
        the CAPS.
    settings
        The command's options.
    split
        The rows that are asked for, if the table has a column ``split``; ``"all"`` for all.

    Returns
    -------
    jobs : list of PairJob
    problems : dict
        Rows that cannot be evaluated, and why.

    Raises
    ------
    SelectionError
        If the table cannot be read, has no row of the split, or no model has written anything.
    WeightsError
        If a file of weights cannot be read.
    """
    rows, problems = pairs.read_usable(tsv)
    rows = _of_split(tsv, rows, split)
    models = _named(models) or _models(caps, [row for row, _ in rows])
    if not models:
        raise SelectionError(_why_no_model(caps, tsv, [row for row, _ in rows], problems))
    jobs: list[PairJob] = []
    taken: dict[str, pairs.PairRow] = {}
    for row, cells in rows:
        try:
            job = _job(caps, tsv, row, cells, models, settings)
            before = taken.setdefault(job.name, row)
            if before is not row:
                raise SelectionError(
                    f"{tsv}: row {row.line}: the T1ce of row {before.line} with another T1nce; "
                    "keep one"
                )
            jobs.append(job)
        except SelectionError as error:
            problems[str(row)] = str(error)
    return jobs, problems


def is_evaluated(job: PairJob, out: Path) -> bool:
    """Say whether a pair was evaluated with the same images and settings, and nothing is gone."""
    record = read_record(job, out) or {}
    folder = job.record_path(out).parent
    return record.get("fingerprint") == job.fingerprint and all(
        (folder / path).is_file() for path in record.get("files", {}).values()
    )


def read_record(job: PairJob, out: Path) -> dict[str, Any] | None:
    """Read the record of a pair; None where there is none that can be read."""
    return find_json(job.record_path(out))


def _of_split(tsv: Path, rows: list[UsableRow], split: Wanted) -> list[UsableRow]:
    """Keep the rows of a split: people that a model was trained on tell nothing about it."""
    if split == "all" or all(row.split is None for row, _ in rows):
        return rows
    # As in training, rows that do not say are trained on.
    kept = [(row, cells) for row, cells in rows if (row.split or pairs.TRAIN) == split]
    if not kept:
        raise SelectionError(
            f"{tsv}: no row of the split {split}; choose another with --split, or all"
        )
    return kept


def _named(models: Sequence[str]) -> list[str]:
    """Give the names by which the images of weights go, each once."""
    if not models:
        return []
    from clinica_t1nce.models.storage import find_name

    return list(dict.fromkeys(map(find_name, models)))


def _models(caps: Path, rows: Sequence[pairs.PairRow]) -> list[str]:
    found = {
        folder.name.removeprefix("model-")
        for row in rows
        for folder in (caps / "subjects" / row.subject / str(row.t1ce)).glob(
            f"{names.FOLDER}/model-*"
        )
    }
    return sorted(found)


def _why_no_model(
    caps: Path, tsv: Path, rows: Sequence[pairs.PairRow], problems: Mapping[str, str]
) -> str:
    """Say what is wrong with the table if no row can be used, else that models have to run."""
    reasons = dict(problems)
    for row in rows:
        try:
            find_pair(caps, row)
        except SelectionError as error:
            reasons[str(row)] = str(error)
        else:
            return (
                f"{caps}: no synthetic image for the pairs of {tsv}; run `clinica run "
                "t1-synth-nce` first"
            )
    label, reason = next(iter(reasons.items()))
    return f"{tsv}: no row can be used with {caps}; the first, {label}: {reason}"


def _job(
    caps: Path,
    tsv: Path,
    row: pairs.PairRow,
    cells: Mapping[str, str],
    models: Sequence[str],
    settings: EvaluationSettings,
) -> PairJob:
    try:
        found = find_pair(caps, row)
    except SelectionError as error:
        raise SelectionError(f"{error}; correct the row or take it out") from error
    assert found.t1ce is not None and found.t1nce is not None
    images = {T1NCE: found.t1nce, T1CE: found.t1ce}
    for model in models:
        images[model] = names.output_path(found.t1ce, model)
        if not images[model].is_file():
            raise SelectionError(
                f"{images[model]}: no such file; run `clinica run t1-synth-nce --model {model}` "
                "for this visit, or leave the model out (--model)"
            )
    masks = {}
    if settings.mask_pattern is not None:
        masks = {
            name: _match(settings.mask_pattern, caps, row, name, images[name], "--brain-mask")
            for name in (T1NCE, T1CE)
        }
    segmented = {
        method.name: [_segmented(settings, method, caps, row, *image) for image in images.items()]
        for method in settings.segmentations
        if not method.computed
    }
    files = [*images.values(), *masks.values(), *settings.priors]
    for each in [each for found in segmented.values() for each in found]:
        files += [each] if isinstance(each, Path) else each
    quality = _quality(tsv, row, cells)
    fingerprint = _fingerprint(files, list(images), settings)
    return PairJob(row, quality, images, masks, segmented, fingerprint)


def _segmented(
    settings: EvaluationSettings,
    method: VolumeMethod,
    caps: Path,
    row: pairs.PairRow,
    name: str,
    image: Path,
) -> Path | list[Path]:
    """Find the label map, or the maps of GM, WM and CSF, of an image."""
    if method.kind != MAPS:
        return _match(method.pattern, caps, row, name, image, "--segmentation")
    if not method.pattern:
        return _spm_maps(settings, row, name)
    patterns = [method.pattern.replace("{tissue}", str(n + 1)) for n in range(N_MAPS)]
    return [_match(each, caps, row, name, image, "--segmentation") for each in patterns]


def _quality(tsv: Path, row: pairs.PairRow, cells: Mapping[str, str]) -> str | None:
    grades = [cells.get(name, "") for name in GRADES]
    if row.quality is not None or all(grade in ("", "n/a") for grade in grades):
        return row.quality
    try:
        return quality_of(*(int(grade) for grade in grades))
    except ValueError:
        raise SelectionError(
            f"{tsv}: row {row.line}: {', '.join(GRADES)} {grades}; each is 0, 1 or 2"
        ) from None


def _match(
    pattern: str, caps: Path, row: pairs.PairRow, name: str, image: Path, option: str
) -> Path:
    """Find the one file that a pattern means for an image; relative to the CAPS."""
    session = row.t1nce if name == T1NCE else row.t1ce
    filled = pattern
    for key, value in {
        "participant_id": row.subject,
        "session_id": str(session),
        "image": name,
        "source": image.name.removesuffix(".nii.gz").rpartition("_")[0],
    }.items():
        filled = filled.replace(f"{{{key}}}", value)
    path = caps / filled
    # From the CAPS, not from its anchor: brackets in the CAPS's own path are no pattern.
    anchor = Path(filled).anchor
    try:
        found = sorted((Path(anchor) if anchor else caps).glob(filled.removeprefix(anchor) or "*"))
    except ValueError as error:
        raise SelectionError(f"{option} {pattern}: {error}; correct it") from error
    if len(found) != 1:
        raise SelectionError(
            f"{path}: {len(found)} files match {option} for the {name} of {row}, not one; "
            "correct the pattern (it may use {participant_id}, {session_id}, {image}, {source}, *)"
        )
    return found[0]


def _spm_maps(settings: EvaluationSettings, row: pairs.PairRow, name: str) -> list[Path]:
    session = str(row.t1nce if name == T1NCE else row.t1ce)
    if name not in settings.spm_caps:
        raise SelectionError(
            f"--segmentation spm: no CAPS with the segmentations of {name}; add "
            f"--spm-caps {name}=FOLDER"
        )
    folder = settings.spm_caps[name].joinpath("subjects", row.subject, session, *SPM_FOLDER)
    maps = []
    for tissue in SPM_TISSUES:
        found = sorted(folder.glob(f"*_segm-{tissue}_probability.nii*"))
        if len(found) != 1:
            raise SelectionError(
                f"{folder}: {len(found)} maps *_segm-{tissue}_probability.nii*, not one; run "
                "`clinica run t1-volume-tissue-segmentation` for this visit"
            )
        maps += found
    return maps


def _fingerprint(files: Sequence[Path], images: Sequence[str], settings: EvaluationSettings) -> str:
    stamps = []
    for path in files:
        try:
            status = path.stat()
        except OSError as error:
            raise SelectionError(f"{path}: cannot be read ({error.strerror})") from error
        stamps.append([str(path), status.st_size, status.st_mtime_ns])
    content = json.dumps([VERSION, list(images), stamps, repr(settings)])
    return hashlib.sha256(content.encode()).hexdigest()
