"""Copies of NIfTI files in which only voxels, or only the affine, are other than in the source."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from clinica_t1nce.errors import ImageError
from clinica_t1nce.files import atomic, nifti
from clinica_t1nce.files.content import read_bytes


def copy_with_forms(
    source: str | Path, target: str | Path, affine: np.ndarray, *, with_qform: bool = True
) -> Path:
    """Copy a NIfTI file voxel for voxel, with another affine in both qform and sform.

    Nothing else of the file changes: data type, slope and voxels stay as they are stored. The
    code is the source's sform code, else its qform code, else 1 (scanner).

    Parameters
    ----------
    source
        A ``.nii`` or ``.nii.gz`` file.
    target
        Path of the copy; ``.gz`` compresses.
    affine
        Matrix, 4 x 4: voxel indices to mm, RAS+.
    with_qform
        Whether the qform is set, too; else its code is 0.

    Raises
    ------
    ImageError
        If the source cannot be read.
    OutputError
        If the target cannot be written; no part of it is left.
    """
    source, target = Path(source), Path(target)
    content = bytearray(read_bytes(source))
    # Not the header of the parsed image: nibabel clears slope and offset in that.
    kind = type(nifti.parse(source, bytes(content)).header)
    header = kind.from_fileobj(io.BytesIO(content))
    code = int(header["sform_code"]) or int(header["qform_code"]) or 1
    header.set_sform(affine, code)
    header.set_qform(affine, code if with_qform else 0, strip_shears=True)
    block = header.binaryblock
    content[: len(block)] = block
    with atomic.temporary(target) as part:
        part.write_bytes(atomic.compress(bytes(content)) if target.suffix == ".gz" else content)
    return target


def save_changed(path: str | Path, data: np.ndarray, source: nifti.Image) -> Path:
    """Write a copy of an image's file in which only those voxels differ that `data` changes.

    Header and type are the source's to the bit, slope included. Changed voxels of an integer
    type are rounded to the nearest value that it can hold; what is NaN or infinite in the file
    becomes what it is in `data`.

    Parameters
    ----------
    path
        Path of the copy; ``.gz`` compresses. Folders are made.
    data
        Voxels, in the shape, axes and units of ``source.data``.
    source
        The image, as :func:`clinica_t1nce.files.nifti.load` gave it; its file is read again.

    Raises
    ------
    ImageError
        If the file is not what it was, or voxels would be NaN or infinite.
    OutputError
        If the file cannot be written; no part of it is left.
    ValueError
        If the shapes differ.
    """
    path = Path(path)
    if data.shape != source.data.shape:
        raise ValueError(f"data are {data.shape}, the image they change is {source.data.shape}")
    content = bytearray(read_bytes(source.path))
    proxy: Any = nifti.parse(source.path, bytes(content)).dataobj
    stored = np.asarray(proxy.get_unscaled())
    if stored.size != data.size:
        raise ImageError(f"{source.path}: was replaced while it was worked on; run again")
    voxels = stored.reshape(data.shape).copy()
    changed = (data != source.data) | ~np.isfinite(voxels)
    nifti.require_finite(path, data[changed])
    values = (data[changed].astype(np.float64) - proxy.inter) / proxy.slope
    if stored.dtype.kind in "iu":
        limits = np.iinfo(stored.dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    with np.errstate(over="ignore"):
        voxels[changed] = values.astype(stored.dtype)
    nifti.require_finite(path, voxels[changed])
    start = proxy.offset
    content[start : start + stored.nbytes] = voxels.tobytes(order="F")
    with atomic.temporary(path) as part:
        part.write_bytes(atomic.compress(bytes(content)) if path.suffix == ".gz" else content)
    return path
