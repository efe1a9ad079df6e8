"""NIfTI files in and out: checked when read, whole when written."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import io_orientation
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from clinica_t1nce.errors import ImageError
from clinica_t1nce.files.atomic import compress, temporary
from clinica_t1nce.files.content import read_bytes, read_noted, unpack
from clinica_t1nce.files.forms import FIELDS, Forms, read_forms

logger = logging.getLogger("clinica_t1nce")

CROP_SHAPE = (169, 208, 179)
"""Voxels of t1-linear's crop, RAS."""
CROP_ZOOMS = (1.0, 1.0, 1.0)
"""Voxel size of t1-linear's crop, mm."""

_GEOMETRY = (
    *("pixdim", "qform_code", "sform_code"),
    *(f"{field}_{axis}" for field, axes in FIELDS for axis in axes),
)
"""Fields of a header that say where voxels lie."""

ZOOM_TOLERANCE = 1e-3
MAX_NONFINITE = 0.01


@dataclass(frozen=True, eq=False)
class Image:
    """One volume as it is stored, and where it lies.

    Attributes
    ----------
    data
        Voxels: float32, 3-D, C order, finite, axes as in the file.
    affine
        Matrix, 4 x 4, float64: voxel indices to mm, RAS+, as ITK takes it
        (:mod:`clinica_t1nce.files.forms`).
    header
        The file's header.
    path
        The file.
    n_nonfinite
        Voxels that were NaN or infinite in the file and are 0 in `data`.
    forms
        What the header says of where the voxels lie; None of an image that was not read.
    note
        What tells the file from another one, from
        :func:`clinica_t1nce.files.content.read_noted`.
    """

    data: np.ndarray
    affine: np.ndarray
    header: nib.Nifti1Header
    path: Path
    n_nonfinite: int = 0
    forms: Forms | None = None
    note: Mapping[str, Any] = field(default_factory=dict)


def read_geometry(path: str | Path) -> tuple[tuple[int, ...], np.ndarray, bool]:
    """Read where a volume lies, without its voxels.

    Returns
    -------
    tuple
        Voxels along the first three axes; matrix, 4 x 4, float64, of voxel indices to mm, RAS+;
        whether qform and sform are both set, and the same to 0.001 mm.

    Raises
    ------
    ImageError
        If the file is missing or its header cannot be used.
    """
    path = Path(path)
    try:
        nifti = nib.load(path)
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file; check the path") from None
    except (ImageFileError, HeaderDataError, WrapStructError, ValueError, OSError, EOFError) as e:
        raise ImageError(f"{path}: not a readable NIfTI file; make it again") from e
    if not isinstance(nifti, nib.Nifti1Image):
        raise ImageError(f"{path}: not a NIfTI file; convert it to .nii.gz first")
    forms = nifti.get_qform(coded=True)[0], nifti.get_sform(coded=True)[0]
    both = all(form is not None for form in forms) and np.allclose(*forms, rtol=0, atol=1e-3)
    return nifti.shape[:3], _checked_affine(path, nifti.affine), bool(both)


def load(
    path: str | Path,
    *,
    shape: tuple[int, int, int] | None = None,
    zooms: tuple[float, float, float] | None = None,
    constant: bool = False,
) -> Image:
    """Read a volume and refuse what cannot be worked on.

    The array stays as it is stored, whatever its orientation; :mod:`clinica_t1nce.volumes.grids`
    turns it. NaN and infinite voxels, up to 1 % of the volume, become 0, with a warning.

    Parameters
    ----------
    path
        A ``.nii`` or ``.nii.gz`` file.
    shape
        Voxels expected along the right-left, anterior-posterior and inferior-superior axes
        (whatever the order in which the file stores them), or None for any.
    zooms
        Voxel size expected along the same axes, in mm, to 0.001 mm, or None for any.
    constant
        Whether all voxels may have one value, as a mask or a map may have.

    Returns
    -------
    Image

    Raises
    ------
    ImageError
        If the file is missing, damaged, not NIfTI, not one 3-D frame, of another shape or voxel
        size, constant, or has more than 1 % of voxels that are not finite.
    """
    path = Path(path)
    packed, note = read_noted(path)
    content = unpack(path, packed)
    nifti = parse(path, content)
    data = _frame(path, nifti)
    forms = read_forms(nifti, content)
    affine = _checked_affine(path, forms.affine)
    _check_grid(path, data.shape, affine, shape, zooms)
    data, n_nonfinite = without_nonfinite(path, data)
    if not constant and data.min() == data.max():
        raise ImageError(
            f"{path}: every voxel is {data.flat[0]:g}, there is no image; make this file again"
        )
    return Image(data, affine, nifti.header.copy(), path, n_nonfinite, forms, note)


def on_grid(source: Image, data: np.ndarray, affine: np.ndarray) -> Image:
    """Give an image of MNI space that was made from another one."""
    header = nib.Nifti1Header()
    header.set_sform(affine, "mni")
    return Image(data, affine, header, source.path)


def load_labels(path: str | Path) -> Image:
    """Read a label map, NIfTI or FreeSurfer's ``.mgz``.

    Parameters
    ----------
    path
        File with one label a voxel.

    Returns
    -------
    Image
        Labels as float32; a map of FreeSurfer keeps its affine, in a new header.

    Raises
    ------
    ImageError
        As :func:`load`; one value in all voxels is allowed.
    """
    path = Path(path)
    if path.suffix not in (".mgz", ".mgh"):
        return load(path, constant=True)
    try:
        found = nib.MGHImage.from_bytes(read_bytes(path))
        nifti = nib.Nifti1Image(np.asarray(found.dataobj, np.float32), found.affine)
    except (ImageFileError, HeaderDataError, ValueError, TypeError, OSError) as error:
        raise ImageError(
            f"{path}: not a readable label map of FreeSurfer; make it again"
        ) from error
    return Image(
        _frame(path, nifti), _checked_affine(path, nifti.affine), nifti.header.copy(), path
    )


def save(
    path: str | Path,
    data: np.ndarray,
    like: Image,
    *,
    dtype: np.typing.DTypeLike = np.float32,
    description: str = "clinica-t1nce",
) -> Path:
    """Write a volume on the grid of another one, whole or not at all.

    The header is a new one: nothing of the source's but its geometry. Affine, qform and sform
    are all the source's affine, with the source's sform code, else its qform code, so that no
    reader falls back to another geometry. A qform cannot hold shear: of a sheared affine it keeps
    rotation and voxel size, and the sform is right. If the source's own forms are not one geometry,
    or it has none, they are kept as they are: in every reader, both images lie in one place. The
    same voxels give the same bytes.

    Parameters
    ----------
    path
        Path of the file; ``.gz`` compresses. Folders are made.
    data
        Voxels, in the shape and the axes of ``like.data``.
    like
        The image whose geometry is kept.
    dtype
        Type on disk; stored without slope.
    description
        Text for the header's ``descrip``, at most 79 bytes.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    OutputError
        If the file cannot be written; no part of it is left.
    ImageError
        If voxels are not finite, or would not be in `dtype`.
    ValueError
        If the shapes differ.
    """
    path = Path(path)
    if data.shape != like.data.shape:
        raise ValueError(f"data are {data.shape}, the image they belong to is {like.data.shape}")
    require_finite(path, data)
    with np.errstate(over="ignore"):
        voxels = np.asarray(data, dtype=dtype)
    require_finite(path, voxels)
    content = _serialise(voxels, like, description)
    with temporary(path) as part:
        if path.suffix == ".gz":
            content = compress(content)
        part.write_bytes(content)
    return path


def require_finite(path: Path, data: np.ndarray) -> None:
    """Refuse to write what no reader could use.

    Parameters
    ----------
    path
        File that was to be written.
    data
        Voxels of the image.

    Raises
    ------
    ImageError
        If any is NaN or infinite.
    """
    if n_wrong := data.size - int(np.count_nonzero(np.isfinite(data))):
        raise ImageError(
            f"{path}: not written, {n_wrong} of its voxels would be NaN or infinite; look at the "
            "image that it is made from"
        )


def parse(path: Path, content: bytes) -> nib.Nifti1Image:
    """Take the bytes of a NIfTI file apart, voxels not read yet.

    Raises
    ------
    ImageError
        If they are none, or the voxels are no plain numbers.
    """
    kind = nib.Nifti2Image if content[4:7] == b"n+2" else nib.Nifti1Image
    try:
        nifti: nib.Nifti1Image = kind.from_bytes(content)
    except (ImageFileError, HeaderDataError, WrapStructError, ValueError, OSError) as error:
        raise ImageError(f"{path}: not a NIfTI file; convert it to .nii.gz first") from error
    if nifti.get_data_dtype().kind not in "iuf":
        raise ImageError(
            f"{path}: voxels of type {nifti.get_data_dtype()}, not plain numbers; "
            "convert it to float32 first"
        )
    return nifti


def _checked_affine(path: Path, affine: np.ndarray) -> np.ndarray:
    affine = np.asarray(affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ImageError(
            f"{path}: its header has no usable affine (sform, qform); make this file again"
        )
    return affine


def _frame(path: Path, nifti: nib.Nifti1Image) -> np.ndarray:
    dimensions = nifti.shape
    frames = int(np.prod(dimensions[3:], dtype=np.int64))
    if frames != 1:
        raise ImageError(
            f"{path}: {len(dimensions)}-D with {frames} frames; save the one that is the T1w alone"
        )
    if len(dimensions) < 3 or 0 in dimensions:
        raise ImageError(f"{path}: {len(dimensions)}-D, not a volume; give the whole series")
    try:
        data = nifti.get_fdata(dtype=np.float32, caching="unchanged")
    except (OSError, ValueError, EOFError) as error:
        raise ImageError(
            f"{path}: truncated, its voxels are not all there; copy it or make it again"
        ) from error
    return np.ascontiguousarray(data.reshape(dimensions[:3]))


def _check_grid(
    path: Path,
    stored_shape: tuple[int, ...],
    affine: np.ndarray,
    shape: tuple[int, int, int] | None,
    zooms: tuple[float, float, float] | None,
) -> None:
    order = np.argsort(io_orientation(affine)[:, 0])
    found_shape = tuple(stored_shape[axis] for axis in order)
    found_zooms = voxel_sizes(affine)[order]
    mend = "crop it with `clinica run t1-linear`"
    if shape is not None and found_shape != tuple(shape):
        raise ImageError(f"{path}: {_times(found_shape)} voxels, not {_times(shape)}; {mend}")
    if zooms is not None and not np.allclose(found_zooms, zooms, rtol=0, atol=ZOOM_TOLERANCE):
        raise ImageError(f"{path}: {_times(found_zooms)} mm voxels, not {_times(zooms)}; {mend}")


def without_nonfinite(path: str | Path, data: np.ndarray) -> tuple[np.ndarray, int]:
    """Set voxels that are NaN or infinite to 0.

    Parameters
    ----------
    path
        Name of the image, for messages.
    data
        Voxels of floats.

    Returns
    -------
    data : numpy.ndarray
        The same where all are finite, else a copy.
    n_nonfinite : int
        Number of voxels that were set to 0, which is logged.

    Raises
    ------
    ImageError
        If they are more than 1 %.
    """
    finite = np.isfinite(data)
    n_nonfinite = data.size - int(np.count_nonzero(finite))
    if n_nonfinite == 0:
        return data, 0
    share = n_nonfinite / data.size
    if share > MAX_NONFINITE:
        raise ImageError(
            f"{path}: {share:.1%} of its voxels are NaN or infinite (at most 1 % can be mended); "
            "make this file again"
        )
    logger.warning("%s: %d NaN or infinite voxels set to 0", path, n_nonfinite)
    return np.where(finite, data, np.float32(0)), n_nonfinite


def _times(values: "tuple[int, ...] | tuple[float, ...] | np.ndarray") -> str:
    return " x ".join(f"{value:.6g}" for value in values)


def _serialise(data: np.ndarray, like: Image, description: str) -> bytes:
    spatial_unit = like.header.get_xyzt_units()[0]
    # As in the file: nibabel would turn each slice.
    data = np.asfortranarray(data)
    nifti = nib.Nifti1Image(data, like.affine)
    if like.forms is not None and like.forms.other is not None:
        nifti = nib.Nifti1Image(data, None)
        for field in _GEOMETRY:
            nifti.header[field] = like.header[field]
    else:
        code = int(like.header["sform_code"]) or int(like.header["qform_code"]) or 1
        nifti.set_sform(like.affine, code)
        nifti.set_qform(like.affine, code, strip_shears=True)
    nifti.header.set_xyzt_units("mm" if spatial_unit == "unknown" else spatial_unit)
    nifti.header["descrip"] = description.encode()[:79]
    content: bytes = nifti.to_bytes()
    return content
