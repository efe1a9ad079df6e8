"""Pages of the synthetic images of a CAPS, one each, and their index.

The pages show the T1ce, the synthetic image, what was removed, and the outline of the MNI brain.
The index lists the rows of ``t1_synth_nce.tsv``, the least confident first.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Semaphore
from typing import Any, NamedTuple

import numpy as np

from clinica_t1nce.bids.entities import Visit, split_extension
from clinica_t1nce.caps import names, sidecar, table
from clinica_t1nce.caps.flags import read_flags
from clinica_t1nce.errors import ImageError, T1nceError, one_line
from clinica_t1nce.evaluation.brain_masks import template_mask
from clinica_t1nce.files import nifti
from clinica_t1nce.report import thumbnails
from clinica_t1nce.report.group_page import PageEntry, write_group_report
from clinica_t1nce.report.participant_page import write_participant_page

logger = logging.getLogger("clinica_t1nce")

FOLDER = "t1_synth_nce_report"
"""In the CAPS."""
PAGES = "pages"
"""In the report's folder."""

ShownVolumes = tuple[nifti.Image, np.ndarray]
"""A T1ce and the synthetic image on its grid."""

NOTE = (
    "Synthetic T1nce of this data set, the least confident first: look at these, at what is "
    "flagged, and at changes that are far from the others'. Confidence, 0 to 1, ranks the images "
    "of one model."
)


class Shown(NamedTuple):
    """A synthetic image, and the name of its page.

    Attributes
    ----------
    image
        The file; its sidecar, which lies beside it, names the T1ce on the same grid.
    output
        Path of the T1nce on the crop's grid, there or not: names the page, whatever the grid of
        `image`.
    """

    image: Path
    output: Path


def page_path(folder: Path, output: Path) -> Path:
    """Say where the page of an image belongs.

    Examples
    --------
    >>> output = Path("ses-1/t1_synth_nce/model-a/sub-1_ses-1_desc-SynthNce_T1w.nii.gz")
    >>> page_path(Path("report"), output).as_posix()
    'report/pages/sub-1_ses-1_desc-SynthNce_T1w_model-a.html'
    """
    return folder / PAGES / page_name(output)


def page_name(output: Path) -> str:
    """Name the page of an image by its path on the crop's grid."""
    return f"{split_extension(output.name)[0]}_{output.parent.name}.html"


def has_current_page(folder: Path, shown: Shown) -> bool:
    """Say whether page and thumbnail are there and not older than the image."""
    page = page_path(folder, shown.output)
    try:
        made = min(path.stat().st_mtime_ns for path in (page, thumbnails.path_of(page)))
        return made >= shown.image.stat().st_mtime_ns
    except OSError:
        return False


def write_page(
    folder: Path, shown: Shown, root: Path | None = None, volumes: ShownVolumes | None = None
) -> Path:
    """Write the page of a synthetic image.

    Parameters
    ----------
    folder
        Folder of the report.
    shown
        The image.
    root
        Root of its data set, for the BIDS URIs in its sidecar.
    volumes
        T1ce and synthetic image, if they are in memory still.

    Raises
    ------
    ImageError
        If image, sidecar or T1ce cannot be used, or do not fit each other.
    OutputError
        If the page cannot be written.
    """
    content = sidecar.read(shown.image)
    if content is None or "SpatialReference" not in content:
        raise ImageError(f"{shown.image}: no sidecar that names its T1ce; make the image again")
    path, title = page_path(folder, shown.output), _title(shown.output.name)
    if volumes is None:
        source = names.resolve(content["SpatialReference"], root, shown.image.parent)
        volumes = nifti.load(source), nifti.load(shown.image).data
    t1ce, t1nce = volumes
    return write_page_of(path, content, t1ce.data, t1nce, t1ce.affine, title, thumbnail=True)


def write_page_of(
    path: Path,
    content: Mapping[str, Any],
    t1ce: np.ndarray,
    t1nce: np.ndarray,
    affine: np.ndarray,
    title: str,
    *,
    thumbnail: bool,
) -> Path:
    """Write the page of a synthetic image that is in memory.

    Parameters
    ----------
    path
        The HTML file.
    content
        Content of the image's sidecar.
    t1ce, t1nce
        Volumes of one grid.
    affine
        4 x 4, voxel indices to mm.
    title
        Heading.
    thumbnail
        Whether a small picture is written beside the page for the group report.

    Raises
    ------
    ImageError
        If the volumes do not fit each other.
    OutputError
        If the page cannot be written.
    """
    in_mni = content.get("Space") != names.NATIVE
    return write_participant_page(
        path,
        {"T1ce": t1ce, f"Synthetic T1nce ({content.get('Model', {}).get('Name')})": t1nce},
        affine,
        mask=_mni_brain(t1ce.shape, affine) if in_mni else None,
        mask_name="MNI brain",
        measures=_sidecar_measures(content),
        flags=[flag.text for flag in read_flags(content)],
        title=title,
        thumbnail=thumbnail,
    )


@contextmanager
def writing_pages(folder: Path, root: Path | None = None) -> Iterator[Callable[..., None]]:
    """Write pages in the background while a block runs, so that nothing waits for them.

    A page that fails is logged and no more: :func:`complete` tries again, and tells.

    Parameters
    ----------
    folder
        Folder of the report.
    root
        Root of the data set, for the BIDS URIs in the sidecars.

    Yields
    ------
    Callable
        Function that takes a :class:`Shown` whose page is to be written soon and, if they are
        known, its :data:`ShownVolumes`: kept in memory for the page unless others are.
    """
    thread, held = ThreadPoolExecutor(1), Semaphore()

    def add(shown: Shown, volumes: ShownVolumes | None = None) -> None:
        if volumes is None or not held.acquire(blocking=False):
            thread.submit(_try, folder, shown, root)
        else:
            page = thread.submit(_try, folder, shown, root, volumes)
            page.add_done_callback(lambda _: held.release())

    try:
        yield add
    except BaseException:
        thread.shutdown(cancel_futures=True)
        raise
    thread.shutdown()


def complete(
    folder: Path,
    caps: Path,
    shown: Iterable[Shown],
    n_threads: int = 1,
    *,
    again: bool = False,
    index: bool = True,
) -> tuple[Path | None, list[tuple[Path, str]]]:
    """Write the pages that are missing or older than their images, and the index.

    Parameters
    ----------
    folder
        Folder of the report.
    caps
        Root of the CAPS, with its table up to date.
    shown
        The images that shall have a page.
    n_threads
        Pages to work on at a time.
    again
        Whether all pages are written anew.
    index
        Whether the index is written.

    Returns
    -------
    index : pathlib.Path or None
    failures : list of tuple
        Image and reason, in one line, of each page that could not be written.

    Raises
    ------
    OutputError
        If the index cannot be written.
    """
    missing = [item for item in shown if again or not has_current_page(folder, item)]
    with ThreadPoolExecutor(max(1, n_threads)) as threads:
        reasons = list(threads.map(lambda item: _try(folder, item, caps), missing))
    failures = [
        (item.image, reason) for item, reason in zip(missing, reasons, strict=True) if reason
    ]
    return write_index(folder, caps) if index else None, failures


def write_index(folder: Path, caps: Path) -> Path:
    """List all images of the CAPS's table in ``report.html``, the least confident first.

    As with the table, any number of processes may do so at a time.
    """
    files, stamp = _list_pages(folder, caps)
    for _ in range(table.MOST_LOOKS):
        index = _write_index(folder, caps, files, table.read_table(caps))
        before, (files, stamp) = (files, stamp), _list_pages(folder, caps)
        if (files, stamp) == before:
            break
    return index


def _list_pages(folder: Path, caps: Path) -> tuple[set[str], tuple[int, int] | None]:
    """List pages and thumbnails, and tell this table from another: each is a new file."""
    files: set[str] = set()
    with suppress(FileNotFoundError):
        files = {entry.name for entry in os.scandir(folder / PAGES)}
    try:
        status = (caps / table.NAME).stat()
    except FileNotFoundError:
        return files, None
    return files, (status.st_ino, status.st_mtime_ns)


def _write_index(folder: Path, caps: Path, files: set[str], rows: list[table.ImageRow]) -> Path:
    return write_group_report(
        folder,
        {},
        [],
        [_row_entry(row, caps, files) for row in rows],
        NOTE,
        title="Synthetic T1nce",
        order="confidence, lowest first; what failed comes before",
    )


def _row_entry(row: table.ImageRow, caps: Path, files: set[str]) -> PageEntry:
    image = names.resolve(row["source"], caps, caps)
    if names.is_crop(image.name):
        image = names.output_path(image, row["model"])
    page = Path(PAGES, page_name(image))
    has_page = page.name in files
    failed = row["status"] != "done"
    confidence = _number_or_none(row["confidence"])
    measures: dict[str, Any] = {
        "Confidence": confidence,
        "Gadolinium": _number_or_none(row["gadolinium"]),
        "Change, % of T1ce": _percent(_number_or_none(row["change"])),
        "Model": row["model"],
    }
    if row.get("space", names.MNI_CROP) not in (names.MNI_CROP, "n/a"):
        measures["Grids"] = row["space"]
    if failed:
        measures["Failure"] = row["reason"]
    return PageEntry(
        _title(image.name),
        page.as_posix() if has_page else None,
        float("nan") if failed or confidence is None else confidence,
        measures,
        _row_flags(row, has_page),
        visit=Visit(row["participant_id"], row["session_id"]),
        has_thumbnail=has_page and thumbnails.path_of(page).name in files,
    )


def _row_flags(row: table.ImageRow, has_page: bool) -> list[str]:
    # Codes, so that one can choose all with the same flag.
    codes = [] if row["flag_codes"] == "n/a" else row["flag_codes"].split(",")
    flags = [code.replace("-", " ") for code in codes]
    if row["status"] != "done":
        return ["failed", *flags]
    return flags if has_page else ["no page", *flags]


def _try(
    folder: Path, shown: Shown, root: Path | None, volumes: ShownVolumes | None = None
) -> str | None:
    """Write a page; give the reason why it cannot be written."""
    try:
        write_page(folder, shown, root, volumes)
    except Exception as error:
        logger.debug("%s: no page", shown.image, exc_info=True)
        text = one_line(error)
        return text if isinstance(error, T1nceError) else f"{type(error).__name__}: {text}"
    return None


def _sidecar_measures(content: Mapping[str, Any]) -> dict[str, Any]:
    model = content.get("Model", {})
    change = content.get("Change", {})
    measures = {
        "Confidence": content.get("Confidence"),
        "Probability of gadolinium": content.get("GadoliniumProbability"),
        "Change in the head, % of the T1ce": _percent(change.get("MeanRelativeToSource")),
        "Of it at vessels, dura and choroid plexus, %": _percent(change.get("ShareAtVessels")),
        "The same of an even change, %": _percent(change.get("ShareAtVesselsIfEven")),
        "Model": f"{model.get('Name')} ({model.get('Architecture')})",
        "T1ce": content["SpatialReference"],
    }
    return {name: value for name, value in measures.items() if value is not None}


def _mni_brain(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray | None:
    """Give the template's brain: shows at a glance whether t1-linear has put the image there."""
    mask = _template_brain(shape, affine.tobytes())
    return mask if mask.any() else None


@lru_cache(maxsize=1)
def _template_brain(shape: tuple[int, ...], affine: bytes) -> np.ndarray:
    # Crops of t1-linear have one grid, and to make the mask takes longer than a page.
    return template_mask(shape, np.frombuffer(affine).reshape(4, 4))


def _title(name: str) -> str:
    """Take participant, session and what else tells images apart from a file name."""
    return name.partition("_space-")[0].replace("_", " ")


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _number_or_none(text: str) -> float | None:
    return None if text == "n/a" else float(text)
