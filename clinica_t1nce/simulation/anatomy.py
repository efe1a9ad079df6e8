"""Anatomies: what the simulator needs of a label map, and where its surfaces are."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from scipy import ndimage

from clinica_t1nce.errors import LabelMapError
from clinica_t1nce.simulation import tissues
from clinica_t1nce.simulation.tissues import Tissue
from clinica_t1nce.volumes import grids

MARGIN = 48
"""Voxels kept around the brain: scalp, skull base and most of the face, as in hospital images."""

Codes = TypeVar("Codes", float, np.ndarray, torch.Tensor)

_STEPS_PER_MM = (6, 6, 5, 5, 5)
_FAR = 25.0
_INNER = (Tissue.LATERAL_VENTRICLE, Tissue.THIRD_VENTRICLE, Tissue.CHOROID_PLEXUS)


@dataclass(frozen=True)
class Anatomy:
    """A label map ready for simulation, on a 1 mm grid in RAS order.

    Attributes
    ----------
    tissue
        Tissues, ``uint8`` D x H x W, :class:`~clinica_t1nce.simulation.tissues.Tissue` numbers.
    distances
        Distances, ``uint8`` 5 x D x H x W, quantised; :func:`to_mm` gives mm. In order: depth
        inside the intracranial cavity (negative outside of it); distance outside the brain's
        parenchyma (negative inside); distance to the surface between the hemispheres, where the
        falx is; to the one between cerebrum and cerebellum, where the tentorium is; distance
        outside the ventricles (negative inside).
    """

    tissue: np.ndarray
    distances: np.ndarray

    def stacked(self) -> np.ndarray:
        """Return tissue and distances as one ``uint8`` array, 6 x D x H x W, to store."""
        return np.concatenate([self.tissue[None], self.distances])

    @classmethod
    def from_stacked(cls, array: np.ndarray) -> "Anatomy":
        """Undo :meth:`stacked`."""
        return cls(array[0], array[1:])


def to_mm(code: Codes, axis: int) -> Codes:
    """Turn stored distances of one kind into mm; `axis` 0 to 4 as in :class:`Anatomy`."""
    return (code - 128) / _STEPS_PER_MM[axis]


def _encode(mm: np.ndarray, axis: int) -> np.ndarray:
    return np.clip(np.round(mm * _STEPS_PER_MM[axis]) + 128, 0, 255).astype(np.uint8)


def prepare_anatomy(labels: np.ndarray) -> Anatomy:
    """Crop a label map to the brain and find its surfaces.

    Parameters
    ----------
    labels
        Label map, D x H x W integers: FreeSurfer's labels and, outside the brain, SynthSeg's;
        1 mm, RAS.

    Returns
    -------
    Anatomy
        Anatomy cropped to the brain and a margin of :data:`MARGIN` voxels.

    Raises
    ------
    LabelMapError
        If a label is unknown or the map holds no brain.
    """
    labels = np.asarray(labels)
    return find_surfaces(labels[grids.nonzero_box(_brain(labels), MARGIN)])


def find_surfaces(labels: np.ndarray) -> Anatomy:
    """Find where gadolinium shows; as :func:`prepare_anatomy`, on the whole grid."""
    labels = np.asarray(labels)
    brain = _brain(labels)
    tissue = tissues.to_tissues(labels)
    # Ventricles count as brain: what lies in them is no surface vessel.
    solid = np.isin(tissue, (*tissues.PARENCHYMA, *_INNER))
    depth = _signed_distance(_intracranial(labels, brain))
    outside_tissue = -_signed_distance(solid)
    ventricle = -_signed_distance(np.isin(tissue, (*tissues.VENTRICLES, Tissue.CHOROID_PLEXUS)))
    found = (depth, outside_tissue, *_dural_folds(labels), ventricle)
    distances = np.stack([_encode(d, i) for i, d in enumerate(found)])
    return Anatomy(tissue, distances)


def _brain(labels: np.ndarray) -> np.ndarray:
    numbers = (
        *tissues.LEFT_CEREBRUM,
        *tissues.RIGHT_CEREBRUM,
        *tissues.CEREBELLUM,
        *tissues.LABELS[Tissue.BRAINSTEM],
    )
    brain = np.isin(labels, numbers)
    if not brain.any():
        raise LabelMapError("no brain label in the map; give one of FreeSurfer, SynthSeg or SAMSEG")
    return brain


def _distance(mask: np.ndarray) -> np.ndarray:
    """Distance of each voxel inside `mask` to its outside, in voxels."""
    return ndimage.distance_transform_edt(mask).astype(np.float32)


def _distance_to(part: np.ndarray) -> np.ndarray:
    """Distance of each voxel to a part, in voxels; far where there is no such part."""
    return _distance(~part) if part.any() else np.full(part.shape, _FAR, np.float32)


def _signed_distance(mask: np.ndarray) -> np.ndarray:
    """Positive inside, negative outside, zero on the border between voxels."""
    return np.where(mask, _distance(mask) - 0.5, 0.5 - _distance(~mask))


def _intracranial(labels: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Brain, CSF and sinuses as one closed body."""
    sinus = np.isin(labels, tissues.LABELS[Tissue.VENOUS_SINUS])
    inside = ((labels > 0) & (labels < tissues.FIRST_LABEL_OUTSIDE_BRAIN)) | sinus
    inside = ndimage.binary_opening(inside, iterations=2)
    parts, _ = ndimage.label(inside)
    inside = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    inside |= brain
    return ndimage.binary_closing(inside, iterations=2) | inside


def _dural_folds(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the planes of the falx and of the tentorium.

    They are where two parts of the brain, both near, are equally far away.
    """
    left, right, below = (
        _distance_to(np.isin(labels, part))
        for part in (tissues.LEFT_CEREBRUM, tissues.RIGHT_CEREBRUM, tissues.CEREBELLUM)
    )
    above = np.minimum(left, right)
    falx = np.where((left < 14) & (right < 14), np.abs(left - right), _FAR)
    tentorium = np.where((below < 10) & (above < 10), np.abs(below - above), _FAR)
    return falx, tentorium
