"""Label maps as users have them: FreeSurfer's, SynthSeg's, SAMSEG's, on any grid."""

from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.orientations import inv_ornt_aff, io_orientation
from scipy import ndimage

from clinica_t1nce.errors import LabelMapError, SelectionError, naming
from clinica_t1nce.files import nifti
from clinica_t1nce.files.text import read_numbered
from clinica_t1nce.simulation import tissues
from clinica_t1nce.simulation.tissues import Tissue
from clinica_t1nce.volumes import grids

LabelTable = Mapping[int, int]
"""From a user's label to one of :data:`clinica_t1nce.simulation.tissues.LABELS`."""

ZOOMS = (0.4, 2.0)
"""Voxel sides in mm that are resampled to 1 mm; thicker ones have lost the sulci."""

_RANGES = {
    # SAMSEG's skull, soft tissue and fluid of the eye.
    range(165, 166): 515,
    range(258, 259): 507,
    range(259, 260): 506,
    # FreeSurfer's parcels of cortex and of the white matter below: aparc, wmparc, a2009s.
    range(1000, 1100): 3,
    range(2000, 2100): 42,
    range(3000, 3100): 2,
    range(4000, 4100): 41,
    range(5001, 5002): 2,
    range(5002, 5003): 41,
    range(11100, 11200): 3,
    range(12100, 12200): 42,
    range(13100, 13200): 2,
    range(14100, 14200): 41,
}
_HULL_MM = 6
_FLUID_MM = 2
_LEAST_CSF = 0.02


def read_label_map(path: Path, table: LabelTable | None = None) -> nifti.Image:
    """Read a label map, at 1 mm and in RAS order.

    FreeSurfer's parcels become cortex and white matter. Voxels of 0.4 to 2 mm are resampled by
    nearest neighbour. In a map that shows hardly any fluid around the brain (aseg), 2 mm of it
    are put there, and into the sulci.

    Parameters
    ----------
    path
        Label map, a ``.nii`` or ``.nii.gz`` file.
    table
        Translation of labels, applied first; see :func:`read_label_table`.

    Returns
    -------
    Image
        Label map of whole numbers on the new grid.

    Raises
    ------
    LabelMapError
        If the voxels are larger or smaller, the values are no labels, a label is unknown, or
        there is no brain.
    ImageError
        If the file cannot be read.
    """
    image = nifti.load(path)
    zooms = voxel_sizes(image.affine)
    if not all(ZOOMS[0] <= zoom <= ZOOMS[1] for zoom in zooms):
        sides = " x ".join(f"{zoom:.2g}" for zoom in zooms)
        raise LabelMapError(
            f"{path}: voxels of {sides} mm, not of {ZOOMS[0]:g} to {ZOOMS[1]:g}; give a label map "
            "of a finer image"
        )
    labels = np.rint(image.data).astype(np.int32)
    if np.abs(labels - image.data).max() > 1e-3:
        raise LabelMapError(f"{path}: values between whole numbers, so no label map; give that")
    with naming(path):
        labels = _translate_labels(labels, table or {})
        tissues.to_tissues(labels)
    affine = image.affine @ inv_ornt_aff(io_orientation(image.affine), labels.shape)
    labels, affine = _to_1_mm(grids.to_ras(labels, image.affine), affine)
    labels = _with_fluid(labels)
    header = nib.Nifti1Header()
    header.set_sform(affine, int(image.header["sform_code"]) or 1)
    return nifti.Image(labels.astype(np.float32), affine, header, path)


def read_label_table(path: Path) -> dict[int, int]:
    """Read which of our labels stand for the labels of another scheme.

    Parameters
    ----------
    path
        Tab-separated file with a first line that names the columns ``label`` and ``as``. ``as`` is
        a FreeSurfer label that the simulator knows, 0 for background, or a name of
        :class:`~clinica_t1nce.simulation.tissues.Tissue` such as ``compact_bone`` (of tissues with
        a left and a right, the left: give numbers, so that the falx can be found).

    Raises
    ------
    LabelMapError
        If a line cannot be understood; the message names it.
    """
    known = {number for numbers in tissues.LABELS.values() for number in numbers}
    names = {tissue.name.lower(): numbers[0] for tissue, numbers in tissues.LABELS.items()}
    try:
        rows = read_numbered(path, ["label", "as"])[1]
    except SelectionError as error:
        raise LabelMapError(str(error)) from error
    table = {}
    for number, row in rows:
        ours = row["as"].lower().replace("-", "_").replace(" ", "_")
        try:
            label = int(row["label"])
            table[label] = names[ours] if ours in names else int(ours)
        except ValueError:
            raise LabelMapError(
                f"{path}: line {number}: {row['label']!r} as {row['as']!r} is not a number and a "
                f"label or one of {', '.join(names)}"
            ) from None
        if table[label] not in known:
            raise LabelMapError(
                f"{path}: line {number}: {table[label]} is not a label of the simulator; see "
                "docs/simulation.md"
            )
    return table


def _translate_labels(labels: np.ndarray, table: LabelTable) -> np.ndarray:
    out = labels.copy()
    for label, ours in table.items():
        out[labels == label] = ours
    for parcels, ours in _RANGES.items():
        # What the table names is not touched.
        found = (labels >= parcels.start) & (labels < parcels.stop)
        if found.any():
            out[found & ~np.isin(labels, list(table))] = ours
    return out


def _to_1_mm(labels: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    zooms = voxel_sizes(affine)
    if np.allclose(zooms, 1, rtol=0, atol=nifti.ZOOM_TOLERANCE):
        return labels, affine
    shape = [max(1, round(n * zoom)) for n, zoom in zip(labels.shape, zooms, strict=True)]
    nearest = [
        np.minimum(((np.arange(new) + 0.5) / zoom).astype(int), n - 1)
        for new, zoom, n in zip(shape, zooms, labels.shape, strict=True)
    ]
    step = np.eye(4)
    step[:3, :3] = np.diag(1 / zooms)
    step[:3, 3] = 0.5 / zooms - 0.5
    return labels[np.ix_(*nearest)], affine @ step


def _with_fluid(labels: np.ndarray) -> np.ndarray:
    """Surround the brain with CSF where the map shows next to none and nothing outside of it."""
    brain = (labels > 0) & (labels < tissues.FIRST_LABEL_OUTSIDE_BRAIN)
    (csf,) = tissues.LABELS[Tissue.CSF]
    if (labels == csf).sum() > _LEAST_CSF * brain.sum() or not brain.any():
        return labels
    box = grids.nonzero_box(brain, margin=_HULL_MM + 2)
    # A closing that fills the sulci, less a rim, so that a layer is left.
    wide = ndimage.distance_transform_edt(~brain[box]) <= _HULL_MM
    hull = ndimage.distance_transform_edt(wide) > _HULL_MM - _FLUID_MM
    labels = labels.copy()
    labels[box][hull & (labels[box] == 0)] = csf
    return labels
