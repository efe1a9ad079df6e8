"""Files of single T1ce, without a CAPS: which are translated, what is written, and where."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files import atomic, content
from clinica_t1nce.translation.jobs import check_output

EXTENSIONS = (".nii", ".nii.gz")


@dataclass(frozen=True)
class SingleJob:
    """One T1ce and what is made of it.

    Attributes
    ----------
    source
        Path of the T1ce.
    image
        Path of the T1nce.
    enhancement
        Path of the map of what was removed, or None.
    page
        Path of the HTML page that shows it, or None.
    space
        Grid of the T1nce: that of the source, or that of t1-linear's crop (``"mni-crop"``).
    thumbnail
        Whether a small picture is put beside the page, for a page of the group.
    """

    source: Path
    image: Path
    enhancement: Path | None = None
    page: Path | None = None
    space: names.Space = names.NATIVE
    thumbnail: bool = False

    @property
    def outputs(self) -> tuple[Path, ...]:
        """Everything that is written, sidecars too."""
        images = [self.image, *([] if self.enhancement is None else [self.enhancement])]
        paths = [path for image in images for path in (image, names.sidecar_path(image))]
        return (*paths, *([] if self.page is None else [self.page]))


def find_sources(given: Iterable[Path]) -> list[Path]:
    """List the images that files and folders stand for; of a folder, those directly in it.

    Images whose sidecar says that they are synthetic are left out of a folder.

    Raises
    ------
    SelectionError
        If something is not there, or holds no NIfTI image.
    """
    found = []
    for path in given:
        if not path.exists():
            raise SelectionError(f"{path}: no such file or folder; check the path")
        if path.is_file():
            if content.is_dicom(path):
                raise SelectionError(_dicom(path, path.parent))
            found.append(path)
            continue
        files = sorted(item for item in path.iterdir() if item.is_file())
        images = [item for item in files if item.name.endswith(EXTENSIONS)]
        if not images:
            raise SelectionError(_without_images(path))
        fresh = [item for item in images if not (sidecar.read(item) or {}).get("Synthetic")]
        if not fresh:
            raise SelectionError(f"{path}: holds synthetic images only; name the T1ce")
        found += fresh
    return list(dict.fromkeys(found))


def _without_images(folder: Path) -> str:
    if any(folder.glob("sub-*/")):
        return f"{folder}: a BIDS data set; translate it by clinica-t1nce bids, or name the images"
    if content.is_dicom(folder):
        return _dicom(folder, folder)
    return f"{folder}: no .nii or .nii.gz file directly in this folder; name the images"


def _dicom(path: Path, folder: Path) -> str:
    return f"{path}: DICOM, not NIfTI; convert it first: dcm2niix -z y -o NIFTI {folder}"


def plan_files(
    sources: Sequence[Path],
    output: Path,
    *,
    is_folder: bool = False,
    save_enhancement: bool = False,
    report: bool = False,
    overwrite: bool = False,
) -> list[SingleJob]:
    """Say what is written, and refuse what would be lost.

    Parameters
    ----------
    sources
        Paths of the T1ce.
    output
        Path of the T1nce, ending in ``.nii`` or ``.nii.gz``, or a folder.
    is_folder
        Whether `output` is a folder, whatever its name.
    save_enhancement
        Whether the map of what was removed is written, too.
    report
        Whether an HTML page of the same name is written, too.
    overwrite
        Whether what is there is replaced.

    Returns
    -------
    list of Files

    Raises
    ------
    SelectionError
        If two outputs have one name, several images one output, or an output is there already.
    OutputError
        If an output is an input, or its folder may not be written to.
    """
    is_folder = is_folder or output.is_dir() or not output.name.endswith(EXTENSIONS)
    if not is_folder and len(sources) > 1:
        raise SelectionError(f"{output}: one file for {len(sources)} images; name a folder")
    jobs = []
    for source in sources:
        image = output / names.derived_name(source.name) if is_folder else output
        enhancement = names.enhancement_path(image) if save_enhancement else None
        page = names.sidecar_path(image).with_suffix(".html") if report else None
        jobs.append(SingleJob(source, image, enhancement, page))
    seen: dict[Path, Path] = {}
    for job in jobs:
        atomic.check_writable(job.image.parent)
        for path in job.outputs:
            inputs = (*sources, *map(names.sidecar_path, sources))
            check_output(path, inputs, is_image=path.suffix not in (".json", ".html"))
            if path in seen:
                raise SelectionError(
                    f"{path}: would be made of {seen[path]} and of {job.source}; translate them "
                    "into different folders"
                )
            seen[path] = job.source
            if path.exists() and not overwrite:
                raise SelectionError(f"{path}: is there already; give --overwrite to replace it")
    return jobs
