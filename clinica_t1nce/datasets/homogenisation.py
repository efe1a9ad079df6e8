"""A BIDS data set with exactly one T1nce a session: the acquired one, else the synthetic one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clinica_t1nce.bids.contrast_agents import describe_unknown
from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.bids.t1w_images import Dataset
from clinica_t1nce.caps import description, names, sidecar
from clinica_t1nce.datasets import homogenised_caps, homogenised_tables, outputs
from clinica_t1nce.datasets.choices import (
    ACQUIRED,
    Choice,
    acquisition,
    choose,
    find_in_caps,
    find_model,
    read_choices,
)
from clinica_t1nce.datasets.homogenisation_report import Report
from clinica_t1nce.datasets.homogenisation_request import HomogenisationRequest
from clinica_t1nce.datasets.outputs import Entry
from clinica_t1nce.datasets.source_bids import open_bids
from clinica_t1nce.errors import SelectionError, T1nceError
from clinica_t1nce.files import atomic, nifti, nifti_copy
from clinica_t1nce.files.content import fingerprint
from clinica_t1nce.files.text import is_there, read_json

KIND = "homogenise"
_FARTHEST = 50.0
"""mm from the centre of a volume to the origin of its coordinates: beyond it, Clinica warns that
SPM will fail."""

_OF_THE_FILE = {"Sources", "SourceFiles", "SpatialReference"}
"""Fields of a synthetic image's sidecar that do not hold for another place."""


@dataclass(frozen=True)
class DatasetSources:
    """What a homogenised data set is made from.

    Attributes
    ----------
    caps, bids
        Roots; either may be None.
    what
        Choice of images that is taken of them; a folder made with another one is refused.
    """

    caps: Path | None
    bids: Dataset | None
    what: str = "one T1nce a session"

    @property
    def named(self) -> dict[str, Path]:
        """The folders by their names in BIDS URIs, the first that there is being the source."""
        found = {"caps": self.caps, "bids": None if self.bids is None else self.bids.root}
        return {name: root for name, root in found.items() if root is not None}

    @property
    def roots(self) -> list[Path]:
        """The folders, the first that there is being the source."""
        return list(self.named.values())

    def uri(self, path: Path, beside: Path) -> str:
        """Point to a file: by a BIDS URI where it lies in one of the folders."""
        held = (item for item in self.named.items() if path.is_relative_to(item[1]))
        name, root = next(held, ("", None))
        return names.uri(path, root, beside, name)


def check_request(request: HomogenisationRequest) -> DatasetSources:
    """Check all that can be checked before any work; nothing is written.

    Raises
    ------
    SelectionError
        If CAPS, BIDS or one of its tables cannot be used, or the output folder is not ours.
    """
    caps = request.caps.absolute()
    description.require_caps(caps)
    source = open_bids(caps, request.bids, request.agent_words)
    if request.space == names.NATIVE and source is None:
        raise SelectionError(
            f"{caps}: the native space needs the raw images; give their BIDS with --bids-directory"
        )
    if request.choices is not None:
        read_choices(request.choices)
    if source is not None:
        homogenised_tables.check_tables(source)
    what = f"one T1nce a session, in the space {request.space}"
    if request.include_t1nce:
        what += ", all of them through the generator"
    origin = DatasetSources(caps, source, what)
    _description(origin)
    outputs.check_folder(request.out, origin.roots, KIND, origin.what)
    if request.caps_output is not None:
        outputs.check_place(request.caps_output, origin.roots)
        outputs.check_place(request.caps_output, [request.out], "the BIDS output")
        homogenised_caps.check_caps_folder(request.caps_output, caps)
    return origin


def homogenise(request: HomogenisationRequest) -> Report:
    """Make, or add to, the homogenised data set of a CAPS.

    Raises
    ------
    SelectionError
        See :func:`check_request`; also if there is nothing to take.
    OutputError
        If a file cannot be written.
    """
    origin = check_request(request)
    assert origin.caps is not None
    model = request.model
    if not request.can_lack_synthetic:
        model = find_model(origin.caps, model)
    found = find_in_caps(
        origin.caps,
        model=model,
        space=request.space,
        dataset=origin.bids,
        include_t1nce=request.include_t1nce,
    )
    if not found.candidates and not found.failed:
        raise SelectionError(
            f"{origin.caps}: no T1nce, acquired or synthetic, in the space {request.space}; run "
            "`clinica run t1-linear` and `clinica run t1-synth-nce` first"
        )
    chosen = {} if request.choices is None else read_choices(request.choices)
    choices = choose(found.candidates, chosen)
    report = write_images(
        choices, request.out, origin, copy=request.copy, overwrite=request.overwrite
    )
    report.missing = found.missing
    report.mixed_versions = description.mixed_versions(origin.caps)
    if request.caps_output is not None:
        # Of the same images: what the data set has not, the CAPS has not either.
        choices = {visit: choices[visit] for visit in sorted([*report.new, *report.there])}
        if request.space != names.MNI_CROP:
            offered = find_in_caps(
                origin.caps,
                model=model,
                dataset=origin.bids,
                include_t1nce=request.include_t1nce,
            )
            crops = homogenised_caps.find_crops(choices, offered.candidates)
            report.missing_crops = tuple(visit for visit in choices if visit not in crops)
            choices = crops
        _write_caps(choices, request.caps_output, origin, request, report)
    report.failed |= {visit: str(error) for visit, error in found.failed.items()}
    report.unknown_words = describe_unknown(found.failed.values())
    return report


def write_images(
    choices: Mapping[Visit, Choice],
    out: Path,
    origin: DatasetSources,
    *,
    copy: bool = False,
    overwrite: bool = False,
) -> Report:
    """Put the images that were chosen into a data set; what is there already is not touched.

    An image is linked if it lies around the origin of its coordinates and its header has qform and
    sform, as SPM and Clinica want; else it is copied, voxel for voxel, with a header that has,
    and the sidecar says by how much the origin was moved. The qform is left out where Clinica,
    which has its own way to read it, would take the image for one that lies elsewhere.

    Parameters
    ----------
    choices
        Choices by visit, from :func:`choose`.
    out
        The data set.
    origin
        Data sets that it is made from.
    copy
        Whether files are copied rather than linked.
    overwrite
        Whether images that are there are replaced.

    Raises
    ------
    SelectionError
        If the folder is not ours.
    OutputError
        If it cannot be written.
    """
    outputs.check_folder(out, origin.roots, KIND, origin.what)
    report = Report()
    outputs.make_files(out, _description(origin))
    for visit, choice in choices.items():
        try:
            _put(visit, choice, out, origin, report, copy=copy, overwrite=overwrite)
        except T1nceError as error:
            report.failed[visit] = str(error)
    rows = homogenised_tables.find_rows(out)
    for row in rows:
        report.kinds[row["t1nce"]] += 1
    files, failed = homogenised_tables.plan_tables(rows, origin.bids)
    report.failed |= failed
    outputs.make_files(out, files)
    return report


def _write_caps(
    crops: Mapping[Visit, Choice],
    out: Path,
    origin: DatasetSources,
    request: HomogenisationRequest,
    report: Report,
) -> None:
    """Make, or add to, the CAPS of the crops that were chosen."""
    homogenised_caps.describe(out, request.caps.absolute())
    for visit, choice in crops.items():
        target = homogenised_caps.crop_path(out, visit)
        try:
            homogenised_caps.put_crop(
                choice.candidate,
                target,
                _image_sidecar(choice, origin, target.parent),
                copy=request.copy,
                overwrite=request.overwrite,
            )
        except T1nceError as error:
            report.failed[visit] = str(error)


def visit_image_path(out: Path, visit: Visit) -> Path:
    """Say where the image of a visit belongs."""
    return out.joinpath(*visit, "anat", f"{'_'.join(visit)}_T1w.nii.gz")


def _put(
    visit: Visit,
    choice: Choice,
    out: Path,
    origin: DatasetSources,
    report: Report,
    *,
    copy: bool,
    overwrite: bool,
) -> None:
    image = visit_image_path(out, visit)
    content = _image_sidecar(choice, origin, image.parent)
    why = outputs.lack_of_copy(image, content, choice.candidate.path)
    if not overwrite:
        if why is None or why == "other":
            report.there.append(visit)
            report.outdated += [visit] if why == "other" else []
            return
        if why != "missing":
            report.again[why] += 1
    recentring = _find_recentring(choice.candidate.path)
    content["SourceFiles"] = [fingerprint(choice.candidate.path)]
    if recentring.shift.any():
        content["OriginMovedBy"] = [round(float(value), 3) for value in recentring.shift]
    atomic.remove(image)
    sidecar.write(image, content)
    if recentring.affine is None:
        outputs.place(image, choice.candidate.path, copy=copy)
    else:
        nifti_copy.copy_with_forms(
            choice.candidate.path,
            image,
            recentring.affine,
            with_qform=recentring.with_qform,
        )
    report.new.append(visit)


def _image_sidecar(choice: Choice, origin: DatasetSources, beside: Path) -> dict[str, Any]:
    candidate = choice.candidate
    sources = dict.fromkeys(filter(None, [candidate.path, candidate.raw]))
    content = acquisition(candidate, origin.bids)
    if candidate.kind != ACQUIRED:
        made = sidecar.read(candidate.path) or {}
        content |= {key: value for key, value in made.items() if key not in _OF_THE_FILE}
    content |= {
        "Synthetic": candidate.kind != ACQUIRED,
        "T1nce": candidate.kind,
        "Sources": [origin.uri(path, beside) for path in sources],
        "SourceSession": candidate.session,
        "TakenBecause": choice.reason,
    }
    return content


def _description(origin: DatasetSources) -> outputs.FilePlan:
    source: dict[str, Any] = {}
    if origin.bids is not None and is_there(origin.bids.root / description.DESCRIPTION):
        source = read_json(origin.bids.root / description.DESCRIPTION)
    elif origin.caps is not None:
        source = {"Name": description.name_of(origin.caps)}
    links = {name: root.resolve().as_uri() for name, root in origin.named.items()}
    text = outputs.description_text(source, origin.roots, KIND, origin.what, links=links)
    return {
        Path(description.DESCRIPTION): Entry(text=text),
        Path("README"): Entry(text=outputs.packaged_text("homogenised_bids.txt")),
        Path(".bidsignore"): Entry(text=f"/{homogenised_tables.T1NCE_TSV}\n"),
    }


class _Recentring(NamedTuple):
    """How a copy of an image has to differ from it: shift in mm, affine (None: a link will do)."""

    shift: np.ndarray
    affine: np.ndarray | None
    with_qform: bool


def _find_recentring(path: Path) -> _Recentring:
    """Say what an image needs, so that SPM works on it and Clinica does not warn."""
    shape, affine, has_both_forms = nifti.read_geometry(path)
    middle = np.array(shape) / 2
    centre = affine[:3, :3] @ middle + affine[:3, 3]
    astray = _clinicas_centre(affine, middle) - centre
    # The worst that may be: half of what Clinica is astray on either side of the origin.
    with_qform = bool(np.linalg.norm(astray) < _FARTHEST)
    seen = [centre, centre + astray] if with_qform else [centre]
    if max(map(np.linalg.norm, seen)) < _FARTHEST:
        whole = has_both_forms and with_qform and path.suffix == ".gz"
        return _Recentring(np.zeros(3), None if whole else affine, with_qform)
    shift = -np.mean(seen, axis=0)
    moved = affine.copy()
    moved[:3, 3] += shift
    return _Recentring(shift, moved, with_qform)


def _clinicas_centre(affine: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Compute the centre of a volume as Clinica 0.12 does if there is a qform.

    It turns first and scales then, with one element of the rotation in the place of another: in
    oblique volumes, and where axes are exchanged, it finds the centre elsewhere.
    """
    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    rotation = affine[:3, :3] / zooms
    rotation[2, 1] = rotation[2, 0]
    centre: np.ndarray = (rotation @ middle) * zooms + affine[:3, 3]
    return centre
