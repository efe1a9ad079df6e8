"""A CAPS with exactly one crop of t1-linear a session: the acquired T1nce's, else the synthetic."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import description, names, sidecar
from clinica_t1nce.datasets import outputs
from clinica_t1nce.datasets.choices import Candidate, Choice
from clinica_t1nce.datasets.outputs import Entry
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files import atomic
from clinica_t1nce.files.content import fingerprint
from clinica_t1nce.files.text import as_json, read_json, read_text


def check_caps_folder(out: Path, caps: Path) -> None:
    """Refuse a folder with files that we did not make from this CAPS.

    Raises
    ------
    SelectionError
        Saying so.
    """
    if not outputs.holds_files(out):
        return
    readme = out / "README"
    if not readme.is_file() or _made_from(caps) not in read_text(readme).splitlines():
        raise SelectionError(
            f"{out}: holds files that were not made from {caps}; give a new folder"
        )


def crop_path(out: Path, visit: Visit) -> Path:
    """Say where the crop of a visit belongs."""
    stem = "_".join(visit)
    return out.joinpath("subjects", *visit, "t1_linear", stem + names.CROP_ENDING)


def find_crops(
    choices: Mapping[Visit, Choice], offered: Iterable[Candidate]
) -> dict[Visit, Choice]:
    """Find the images that were chosen in one space on the crop's grid; some may not be there."""
    there = {(item.visit, item.kind, item.crop): item for item in offered}
    found = {}
    for visit, choice in choices.items():
        same = there.get((visit, choice.candidate.kind, choice.candidate.crop))
        if same is not None:
            found[visit] = Choice(same, choice.reason)
    return found


def describe(out: Path, caps: Path) -> None:
    """Write what makes a folder a CAPS, and one that we made.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    about = outputs.packaged_text("homogenised_caps.txt")
    files = {
        Path("README"): Entry(text=f"{about}\n{_made_from(caps)}\n"),
        Path(description.DESCRIPTION): Entry(text=as_json(_caps_description(caps, out))),
    }
    outputs.make_files(out, files)


def put_crop(
    candidate: Candidate,
    target: Path,
    content: Mapping[str, Any],
    *,
    copy: bool = False,
    overwrite: bool = False,
) -> None:
    """Put a crop, with t1-linear's affine, into a CAPS; one that is there is not touched.

    Parameters
    ----------
    candidate
        Image on the crop's grid.
    target
        Path where it belongs, from :func:`crop_path`.
    content
        Content of the sidecar.
    copy
        Whether the files are copied rather than linked.
    overwrite
        Whether a crop that is there is replaced.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    source = candidate.path
    why = outputs.lack_of_copy(target, content, source)
    if (why is None or why == "other") and not overwrite:
        return
    affine = names.affine_path(candidate.crop or source)
    for path in (target, names.affine_path(target)):
        atomic.remove(path)
    sidecar.write(target, {**content, "SourceFiles": [fingerprint(source)]})
    if affine.is_file():
        outputs.place(names.affine_path(target), affine, copy=copy)
    outputs.place(target, source, copy=copy)


def _made_from(caps: Path) -> str:
    """Write the line of a README by which a CAPS is known: from descriptions, Clinica drops it."""
    return f"Made from {caps.resolve().as_uri()}"


def _caps_description(caps: Path, out: Path) -> dict[str, Any]:
    """Give the description of the CAPS, with t1-linear's steps and what was run on the crops."""
    source = read_json(caps / description.DESCRIPTION)
    steps = list(outputs.read_description(out).get("Processing") or [])
    for step in description.linear_steps(caps):
        where = (caps.parent / str(step.get("InputPath", ""))).resolve()
        steps.append({**step, "InputPath": str(where)})
    kept = {key: source.get(key) for key in ("Name", "BIDSVersion", "CAPSVersion")}
    # Of runs of one version on one data set, the last; of several versions, one each.
    last = {
        tuple(step.get(key) for key in ("Name", "InputPath", "ClinicaVersion")): step
        for step in steps
    }
    return {**kept, "DatasetType": "derivative", "Processing": list(last.values())}
