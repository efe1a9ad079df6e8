"""Where a NIfTI file's voxels lie, as ITK takes it: the one place that decides it.

A header holds up to two affines, qform and sform, each with a code; most software writes the same
into both. Where they differ, readers do: nibabel and SPM go by the sform, ITK (5.2 and later, so
ANTs 2.3.5 and later, and t1-linear) by this table, seen in ITK 5.4:

=============  =============  ==================================================================
sform code     qform code     ITK's geometry
=============  =============  ==================================================================
1              any            sform
2 or more      0              sform
2 or more      1 or more      qform
0              1 or more      qform
0              0              axes to left, posterior, superior, origin at the first voxel
=============  =============  ==================================================================

A form gives directions and origin, ``pixdim`` the voxel size (1 where it is 0, mirrored where it is
negative), and all are brought to mm where the header's unit is another one. A sform with shear is
passed over for the qform; without a qform, ITK refuses the file, and it is taken as it is here.
"""

import io
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import nibabel as nib
import numpy as np
from nibabel.quaternions import quat2mat

FIELDS = (("quatern", "bcd"), ("qoffset", "xyz"), ("srow", "xyz"))
"""Fields of a header that hold the forms, and the ends of their names."""

TOLERANCE = 0.1
"""Distance in mm up to which two geometries are the same: qforms are rounded."""

_SHEAR = 1e-4
"""Product of two directions from which ITK sees shear."""

_TO_MM = {1: 1e3, 3: 1e-3}
"""Factor to mm for the codes of metre and micrometre."""


TakenForm = Literal["sform", "qform", "none"]


@dataclass(frozen=True, eq=False)
class Forms:
    """What a header says of where its voxels lie.

    Attributes
    ----------
    affine
        4 x 4, float64: voxel indices to mm, RAS+, as ITK takes it.
    source
        Part of the header that it comes from; ``"none"`` if the header has neither form.
    other
        4 x 4: what other software takes, or took; None where it is the same to
        :data:`TOLERANCE`.
    distance
        Greatest distance, in mm, between the places of one voxel by both.
    """

    affine: np.ndarray
    source: TakenForm
    other: np.ndarray | None = None
    distance: float = 0.0


def read_forms(nifti: nib.Nifti1Image, content: bytes | None = None) -> Forms:
    """Say where the voxels of an image lie.

    Parameters
    ----------
    nifti
        Image as nibabel has it.
    content
        Bytes that it was read from, if it was: in nibabel's header, voxel sizes are mended.

    Returns
    -------
    Forms
        Its affine is nibabel's, to the bit, where that is the same to :data:`TOLERANCE`.
    """
    header: Any = nifti.header
    if content is not None:
        header = type(header).from_fileobj(io.BytesIO(content), check=False)
    sform, qform = _sform(header), _qform(header)
    usual = np.asarray(nifti.header.get_best_affine(), np.float64)
    source = _preferred_form(header, sform, qform)
    form = {"sform": sform, "qform": qform, "none": np.diag([-1.0, -1, 1, 1])}[source]
    affine = form if source == "sform" and _is_sheared(sform) else _of_voxel_size(form, header)
    others = [form for form, code in ((sform, "sform_code"), (qform, "qform_code")) if header[code]]
    others.append(usual)
    distances = [measure_distance(affine, other, nifti.shape) for other in others]
    if not distances[-1] > TOLERANCE:
        affine = usual
    for other, distance in zip(others, distances, strict=True):
        if distance > TOLERANCE:
            return Forms(affine, source, other, distance)
    return Forms(affine, source)


def _preferred_form(header: Any, sform: np.ndarray, qform: np.ndarray) -> TakenForm:
    if not header["qform_code"]:
        return "sform" if header["sform_code"] else "none"
    if not header["sform_code"] or _is_sheared(sform):
        return "qform"
    return "sform" if header["sform_code"] == 1 or _are_alike(sform, qform) else "qform"


def measure_distance(one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """Measure how far apart two affines put the same voxel, at most, in mm.

    Parameters
    ----------
    one, other
        4 x 4, voxel indices to mm.
    shape
        Voxels along each axis.
    """
    corners = np.array([(*c, 1) for c in product(*((0, side - 1) for side in shape[:3]))]).T
    return float(np.linalg.norm(((one - other) @ corners)[:3], axis=0).max())


def _sform(header: Any) -> np.ndarray:
    rows = [np.asarray(header[f"srow_{axis}"], np.float64) for axis in "xyz"]
    return np.vstack([*rows, [0, 0, 0, 1]])


def _qform(header: Any) -> np.ndarray:
    """Compute the qform as NIfTI's own library does: broken quaternions are made unit ones."""
    part = np.nan_to_num([float(header[f"quatern_{axis}"]) for axis in "bcd"], posinf=0, neginf=0)
    rest = 1 - part @ part
    quaternion = [np.sqrt(rest), *part] if rest > 1e-7 else [0, *(part / np.sqrt(part @ part))]
    form = np.eye(4)
    size = _voxel_size(header)
    form[:3, :3] = quat2mat(quaternion) * np.where(size > 0, size, 1)
    if header["pixdim"][0] < 0:
        form[:3, 2] *= -1
    form[:3, 3] = [float(header[f"qoffset_{axis}"]) for axis in "xyz"]
    return form


def _voxel_size(header: Any) -> np.ndarray:
    size = np.asarray(header["pixdim"][1:4], np.float64)
    return np.where(np.isfinite(size) & (size != 0), size, 1)


def _is_sheared(form: np.ndarray) -> bool:
    """Say whether directions are not at right angles, or are none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        directions = form[:3, :3] / np.linalg.norm(form[:3, :3], axis=0)
    return not bool((np.abs(directions @ directions.T - np.eye(3)) < _SHEAR).all())


def _are_alike(sform: np.ndarray, qform: np.ndarray) -> bool:
    """Say whether ITK sees no difference; it does not see that of an axis turned round."""
    turned = qform.copy()
    turned[:3, :3] *= np.where((sform * qform)[:3, :3].sum(axis=0) < 0, -1, 1)
    return bool(np.allclose(sform, turned, rtol=0, atol=1e-4))


def _of_voxel_size(form: np.ndarray, header: Any) -> np.ndarray:
    affine = form.copy()
    with np.errstate(invalid="ignore", divide="ignore"):
        affine[:3, :3] *= _voxel_size(header) / np.linalg.norm(form[:3, :3], axis=0)
    affine[:3] *= _TO_MM.get(int(header["xyzt_units"]) & 7, 1.0)
    return affine
