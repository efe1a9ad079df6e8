"""One T1ce of any orientation and voxel size, without a CAPS: its T1nce on its own grid.

The image is not registered to a template: networks take a head at any position, along axes that run
right, anterior, superior as nearly as the image's own do.
"""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.errors import ImageError, OutputError, SelectionError, T1nceError
from clinica_t1nce.files import nifti, nifti_copy
from clinica_t1nce.synthesis import transfer
from clinica_t1nce.synthesis.conditioning import condition
from clinica_t1nce.translation.jobs import check_output
from clinica_t1nce.translation.runner import find_flags
from clinica_t1nce.volumes import bias

if TYPE_CHECKING:
    from clinica_t1nce.synthesis.synthesizer import Synthesis, Synthesizer

VOXELS = (0.3, 6.5)
"""Least and greatest side, in mm, of voxels that are taken."""

FEWEST_VALUES = 64
"""Different values of an image of whole numbers up to which it is a mask or label map."""

EXTENSIONS = (".nii", ".nii.gz")

PREDICTED_ON = "source, bias-corrected by N4"


@dataclass(frozen=True)
class Files:
    """One T1ce and what is made of it.

    Attributes
    ----------
    source
        Path of the T1ce.
    image
        Path of the T1nce.
    enhancement
        Path of the map of what was removed, or None.
    """

    source: Path
    image: Path
    enhancement: Path | None = None

    @property
    def outputs(self) -> tuple[Path, ...]:
        """Everything that is written, sidecars too."""
        images = [self.image, *([] if self.enhancement is None else [self.enhancement])]
        return tuple(path for image in images for path in (image, names.sidecar_path(image)))


def translate_image(image: nib.Nifti1Image, synthesizer: "Synthesizer") -> nib.Nifti1Image:
    """Make the T1nce of an image in memory.

    Parameters
    ----------
    image
        T1ce: one volume of voxels of 0.3 to 6.5 mm, any orientation, whole head or skull-stripped.
    synthesizer
        Loaded model.

    Returns
    -------
    nibabel.Nifti1Image
        T1nce on the same grid, of the same header. The type is kept if it is one of floats, or of
        whole numbers without a slope; else it is float32.

    Raises
    ------
    ImageError
        If the image cannot be used.

    Examples
    --------
    >>> import nibabel
    >>> from clinica_t1nce.synthesis import Synthesizer
    >>> t1nce = translate_image(nibabel.load("t1ce.nii.gz"), Synthesizer.load())  # doctest: +SKIP
    """
    shape = image.shape
    if len(shape) < 3 or any(side != 1 for side in shape[3:]):
        raise ImageError(f"an image of shape {shape}; give one volume")
    stored = np.asanyarray(image.dataobj)
    data = stored.reshape(shape[:3]).astype(np.float32)
    check_content(data, image.affine, stored.dtype.kind)
    found = synthesise(data, image.affine, synthesizer)
    header = image.header.copy()
    if stored.dtype.kind in "iu":
        limits = np.iinfo(stored.dtype)
        values = np.clip(np.rint(found.image), limits.min, limits.max).astype(stored.dtype)
        voxels = np.where(found.change == 0, stored.reshape(shape[:3]), values)
    else:
        kind = image.get_data_dtype() if image.get_data_dtype().kind == "f" else np.float32
        voxels = np.where(found.change == 0, stored.reshape(shape[:3]), found.image).astype(kind)
        header.set_data_dtype(kind)
    return type(image)(voxels.reshape(shape), image.affine, header)


def synthesise(volume: np.ndarray, affine: np.ndarray, synthesizer: "Synthesizer") -> "Synthesis":
    """Make the T1nce of a volume with a bias field.

    The network is given the volume without its bias field; what it changes is given the field
    again and taken from the volume as it came.

    Parameters
    ----------
    volume
        T1ce, three axes as stored, finite.
    affine
        Matrix, 4 x 4, voxel indices to mm.
    synthesizer
        Loaded model.

    Returns
    -------
    Synthesis
        Its image and change are in the units of `volume`.

    Raises
    ------
    ImageError
        If the volume cannot be used.
    """
    given = condition(volume)
    field = bias.measure_bias(given.shown, affine)
    found = synthesizer.carrying_change()(given.shown / field, affine)
    change = transfer.without_negligible(found.change * field, given.shown)
    image = given.subtract(change)
    return replace(found, image=image, change=volume - image, flags=given.flags)


def check_content(volume: np.ndarray, affine: np.ndarray, kind: str = "f") -> None:
    """Refuse what is no T1w: labels, CT, voxels of another size than those of heads.

    Parameters
    ----------
    volume
        Voxels.
    affine
        Matrix, 4 x 4, voxel indices to mm.
    kind
        NumPy's letter for the type that is stored.

    Raises
    ------
    ImageError
        Naming what it seems to be, and what to give.
    """
    zooms = voxel_sizes(affine)
    if zooms.min() < VOXELS[0] or zooms.max() > VOXELS[1]:
        sides = " x ".join(f"{zoom:.3g}" for zoom in zooms)
        raise ImageError(
            f"voxels of {sides} mm, not of {VOXELS[0]} to {VOXELS[1]} mm; give another series, or "
            "resample it"
        )
    part = volume.ravel()[:: volume.size // 1_000_000 + 1]
    if kind in "iub" and len(np.unique(part)) <= FEWEST_VALUES:
        raise ImageError("a mask or label map by its few values; give the T1w itself")
    if _is_ct(part):
        raise ImageError("a CT by its values (Hounsfield units); give a T1w MRI")


def _is_ct(values: np.ndarray) -> bool:
    """Tell Hounsfield units: air at -1000, and most of what is not air within 150 of water."""
    air, body = np.mean(np.abs(values + 1000) < 50), values[values > -500]
    return bool(air > 0.05 and body.size and np.mean(np.abs(body) < 150) > 0.6)


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
            if _is_dicom(path):
                raise SelectionError(_dicom(path, path.parent))
            found.append(path)
            continue
        files = sorted(item for item in path.iterdir() if item.is_file())
        images = [item for item in files if item.name.endswith(EXTENSIONS)]
        if not images:
            if any(map(_is_dicom, files)):
                raise SelectionError(_dicom(path, path))
            raise SelectionError(
                f"{path}: no .nii or .nii.gz file directly in this folder; name the images"
            )
        fresh = [item for item in images if not (sidecar.read(item) or {}).get("Synthetic")]
        if not fresh:
            raise SelectionError(f"{path}: holds synthetic images only; name the T1ce")
        found += fresh
    return list(dict.fromkeys(found))


def _is_dicom(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
    return False


def _dicom(path: Path, folder: Path) -> str:
    return f"{path}: DICOM, not NIfTI; convert it first: dcm2niix -z y -o NIFTI {folder}"


def plan(
    sources: Sequence[Path],
    output: Path,
    *,
    is_folder: bool = False,
    save_enhancement: bool = False,
    overwrite: bool = False,
) -> list[Files]:
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
        If an output is an input.
    """
    is_folder = is_folder or output.is_dir() or not output.name.endswith(EXTENSIONS)
    if not is_folder and len(sources) > 1:
        raise SelectionError(f"{output}: one file for {len(sources)} images; name a folder")
    jobs = []
    for source in sources:
        image = output / names.derived_name(source.name) if is_folder else output
        enhancement = names.enhancement_path(image) if save_enhancement else None
        jobs.append(Files(source, image, enhancement))
    seen: dict[Path, Path] = {}
    for job in jobs:
        for path in job.outputs:
            inputs = (*sources, *map(names.sidecar_path, sources))
            check_output(path, inputs, is_image=path.suffix != ".json")
            if path in seen:
                raise SelectionError(
                    f"{path}: would be made of {seen[path]} and of {job.source}; translate them "
                    "into different folders"
                )
            seen[path] = job.source
            if path.exists() and not overwrite:
                raise SelectionError(f"{path}: is there already; give --overwrite to replace it")
    return jobs


def translate_file(files: Files, synthesizer: "Synthesizer") -> dict[str, Any]:
    """Write the T1nce of one file, with its sidecar: first the sidecar, last the image.

    Header, type and slope are those of the source to the bit, and so are the voxels where nothing
    is removed.

    Parameters
    ----------
    files
        Paths, from :func:`plan`.
    synthesizer
        Loaded model.

    Returns
    -------
    dict
        Content of the sidecar.

    Raises
    ------
    ImageError
        Naming the source, if it cannot be used.
    OutputError
        If something cannot be written; nothing half-written is left.
    """
    start = time.perf_counter()
    source = nifti.load(files.source)
    try:
        check_content(source.data, source.affine, source.header.get_data_dtype().kind)
        found = synthesise(source.data, source.affine, synthesizer)
    except T1nceError as error:
        raise type(error)(f"{files.source}: {error}") from error
    flags = find_flags(None, found)
    if source.n_nonfinite:
        flags.append(sidecar.non_finite(source.n_nonfinite))
    content = sidecar.build(
        source=files.source,
        output=files.image,
        card=synthesizer.card,
        change=sidecar.measure_change(condition(source.data).shown, found.change),
        confidence=found.confidence,
        gadolinium=found.gadolinium,
        flags=flags,
        device=str(synthesizer.device),
        seconds=time.perf_counter() - start,
        n_nonfinite=source.n_nonfinite,
        scaling={**synthesizer.card.scaling, **asdict(found.scaling)},
        grid=sidecar.Grid(names.NATIVE, predicted_on=PREDICTED_ON),
        notes={files.source: source.note},
    )
    try:
        for path in files.outputs:
            # An old image beside a new sidecar would be taken for done.
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be replaced ({error.strerror or error}); get the right to write there"
        ) from error
    try:
        sidecar.write(files.image, content)
        if files.enhancement is not None:
            where = names.uri(files.image, None, files.image.parent)
            sidecar.write(files.enhancement, sidecar.build_enhancement(content, where))
            nifti.save(files.enhancement, found.change, source)
        nifti_copy.save_changed(files.image, found.image, source)
    except BaseException:
        for path in files.outputs:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise
    return content
