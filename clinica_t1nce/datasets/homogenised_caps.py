"""A CAPS with exactly one crop of t1-linear a session: the acquired T1nce's, else the synthetic."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps import description, names, sidecar
from clinica_t1nce.datasets import outputs
from clinica_t1nce.datasets.choices import ACQUIRED, Choice
from clinica_t1nce.datasets.outputs import Entry
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files import atomic
from clinica_t1nce.files.content import fingerprint
from clinica_t1nce.files.text import as_json, read_json


def check_caps_folder(out: Path, caps: Path) -> None:
    """Refuse a folder that is the CAPS, in it or around it, or that we did not make from it.

    Raises
    ------
    SelectionError
        Saying which it is.
    """
    outputs.check_place(out, [caps])
    if not outputs.holds_files(out):
        return
    if outputs.read_description(out) != _caps_description(caps) or not (out / "README").is_file():
        raise SelectionError(
            f"{out}: holds files that were not made from {caps} as it is; give a new folder"
        )


def crop_path(out: Path, visit: Visit) -> Path:
    """Say where the crop of a visit belongs."""
    stem = "_".join(visit)
    return out.joinpath("subjects", *visit, "t1_linear", stem + names.CROP_ENDING)


def write_crops(
    choices: Mapping[Visit, Choice],
    out: Path,
    caps: Path,
    contents: Mapping[Visit, dict[str, Any]],
    *,
    copy: bool = False,
    overwrite: bool = False,
) -> int:
    """Put the crops that were chosen, with t1-linear's affines, into a CAPS.

    Parameters
    ----------
    choices
        Choices by visit, of images on the crop's grid.
    out
        Root of the CAPS to make or to add to.
    caps
        Root of the CAPS that it is made from.
    contents
        Contents of the sidecars.
    copy
        Whether files are copied rather than linked.
    overwrite
        Whether crops that are there are replaced.

    Returns
    -------
    int
        Number of crops that were put there.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    files = {
        Path(description.DESCRIPTION): Entry(text=as_json(_caps_description(caps))),
        Path("README"): Entry(text=outputs.packaged_text("homogenised_caps.txt")),
    }
    outputs.make_files(out, files)
    n_new = 0
    for visit, choice in choices.items():
        target, source = crop_path(out, visit), choice.candidate.path
        why = outputs.lack_of_copy(target, contents[visit], source)
        if (why is None or why == "other") and not overwrite:
            continue
        affine = names.affine_path(_crop_of(choice, caps))
        for path in (target, names.affine_path(target)):
            atomic.remove(path)
        note = {"SourceFiles": [fingerprint(source)]}
        sidecar.write(target, contents[visit] | note)
        if affine.is_file():
            outputs.place(names.affine_path(target), affine, copy=copy)
        outputs.place(target, source, copy=copy)
        n_new += 1
    return n_new


def _caps_description(caps: Path) -> dict[str, Any]:
    """Give the description of the CAPS, with t1-linear's steps and their versions alone."""
    source = read_json(caps / description.DESCRIPTION)
    steps = []
    for step in description.linear_steps(caps):
        where = (caps.parent / str(step.get("InputPath", ""))).resolve()
        steps.append({**step, "InputPath": str(where)})
    kept = {key: source.get(key) for key in ("Name", "BIDSVersion", "CAPSVersion")}
    return {**kept, "DatasetType": "derivative", "Processing": steps}


def _crop_of(choice: Choice, caps: Path) -> Path:
    """Give the crop of t1-linear that an image is, or was made from."""
    path = choice.candidate.path
    if choice.candidate.kind == ACQUIRED:
        return path
    sources = (sidecar.read(path) or {}).get("Sources") or [""]
    return names.resolve(str(sources[0]), caps, path.parent)
