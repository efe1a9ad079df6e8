"""Volumes near the origin of their coordinates, where SPM finds them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clinica_t1nce.files import nifti

MAX_DISTANCE = 50.0
"""mm from the centre of a volume to the origin of its coordinates: beyond it, Clinica warns that
SPM will fail."""


@dataclass(frozen=True, eq=False)
class Recentring:
    """How a copy of an image has to differ from it.

    Attributes
    ----------
    shift
        Translation of the image, mm.
    affine
        Affine of the copy; None if a link will do.
    with_qform
        Whether it has a qform.
    """

    shift: np.ndarray
    affine: np.ndarray | None = None
    with_qform: bool = True


def find_recentring(path: Path) -> Recentring:
    """Say what an image needs, so that SPM works on it and Clinica does not warn.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    geometry = nifti.read_geometry(path)
    affine = geometry.affine
    middle = np.array(geometry.shape) / 2
    centre = affine[:3, :3] @ middle + affine[:3, 3]
    astray = _clinicas_centre(affine, middle) - centre
    # The worst that may be: half of what Clinica is astray on either side of the origin.
    with_qform = bool(np.linalg.norm(astray) < MAX_DISTANCE)
    seen = [centre, centre + astray] if with_qform else [centre]
    if max(map(np.linalg.norm, seen)) < MAX_DISTANCE:
        whole = geometry.has_both_forms and with_qform and path.suffix == ".gz"
        return Recentring(np.zeros(3), None if whole else affine, with_qform)
    shift = -np.mean(seen, axis=0)
    moved = affine.copy()
    moved[:3, 3] += shift
    return Recentring(shift, moved, with_qform)


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
