"""Alignment of the two images of one visit, with ANTs.

t1-linear brings the T1ce and the T1nce to MNI space each on its own: affine transforms, estimated
from different contrasts, leave the two up to a millimetre or two apart.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import ImageError, one_line

_POINTS = 300_000
"""Voxels that are compared at the finest scale. On a crop of t1-linear, twice as many and twice
the iterations moved the result by less than 0.02 mm."""

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Alignment:
    """An image brought to the grid of another one.

    Attributes
    ----------
    image
        Volume, float32, on the fixed image's grid; 0 where the moving image does not reach.
    transform
        Matrix, 4 x 4, RAS+ mm, that takes a point of the *fixed* image to the same anatomy in the
        *moving* one (the direction in which images are resampled).
    """

    image: np.ndarray
    transform: np.ndarray


def align_images(
    moving: np.ndarray,
    moving_affine: np.ndarray,
    fixed: np.ndarray,
    fixed_affine: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    kind: str = "rigid",
    seed: int = 1,
) -> Alignment:
    """Bring one image to the grid of another image of the same head, and resample it once.

    The movement is estimated by ANTs on three scales (4, 2 and 1 voxels). Its
    metric is the global correlation, because ANTs' mutual information sums in the order in
    which threads end: correlation gives the same bytes again. The resampling is a cubic
    B-spline; what it overshoots is clipped to the moving image's range.

    Parameters
    ----------
    moving, fixed
        Volumes of one person.
    moving_affine, fixed_affine
        Affines, 4 x 4, voxel indices to mm, RAS+; any orientation without shear.
    mask
        Boolean mask on the fixed grid, in which the images are compared; None: everywhere.
    kind
        Kind of transform: ``"rigid"`` (rotation and translation) or ``"affine"`` (scales and shears
        as well).
    seed
        Seed of the points at which ANTs samples the images.

    Returns
    -------
    Alignment

    Raises
    ------
    ImageError
        If a volume is constant or not 3-D, or the registration fails.
    """
    for name, volume in (("moving", moving), ("fixed", fixed)):
        if volume.ndim != 3 or volume.min() == volume.max():
            raise ImageError(f"the {name} image is constant or not 3-D; check it")
    transform = _register(
        to_ants(moving, moving_affine),
        to_ants(fixed, fixed_affine),
        None if mask is None else to_ants(mask, fixed_affine),
        kind.capitalize(),
        seed,
    )
    return Alignment(
        resample(moving, moving_affine, fixed.shape, fixed_affine, transform), transform
    )


def resample(
    volume: np.ndarray,
    affine: np.ndarray,
    shape: tuple[int, ...],
    target_affine: np.ndarray,
    transform: np.ndarray | None = None,
) -> np.ndarray:
    """Resample a volume onto another grid with a cubic B-spline.

    Parameters
    ----------
    volume, affine
        Volume and its affine.
    shape, target_affine
        Shape and affine of the other grid.
    transform
        Transform, as :attr:`Alignment.transform`; None: the two lie in one space.

    Returns
    -------
    numpy.ndarray
        float32, within the range of `volume`; 0 outside its field of view and where `volume`
        is 0, as around a skull-stripped brain.
    """
    between = np.eye(4) if transform is None else transform
    indices = np.linalg.inv(affine) @ between @ target_affine

    def onto_grid(values: np.ndarray, order: int) -> np.ndarray:
        resampled: np.ndarray = ndimage.affine_transform(
            values, indices[:3, :3], indices[:3, 3], output_shape=shape, order=order
        )
        return resampled

    # A spline rings at the edge of a skull-stripped brain: neither should the air around it be
    # filled with ripples, nor a bright vessel become brighter.
    filled = onto_grid((volume != 0).astype(np.float32), order=1) > 0.5
    low, high = float(min(volume.min(), 0)), float(max(volume.max(), 0))
    result = np.clip(onto_grid(volume.astype(np.float64), order=3), low, high)
    return np.where(filled, result, 0).astype(np.float32)


def move_labels(
    labels: np.ndarray,
    affine: np.ndarray,
    shape: tuple[int, ...],
    target_affine: np.ndarray,
    transform: np.ndarray,
) -> np.ndarray:
    """Resample a label map onto another grid.

    Each label is interpolated linearly, and the largest wins.

    Parameters
    ----------
    labels, affine, shape, target_affine, transform
        Label map, grid and transform, as for :func:`resample`.

    Returns
    -------
    numpy.ndarray
        Of the type of `labels`; 0 outside its field of view.
    """
    indices = np.linalg.inv(affine) @ transform @ target_affine
    best = np.zeros(shape, np.float32)
    moved = np.zeros(shape, labels.dtype)
    for label in np.unique(labels):
        share = ndimage.affine_transform(
            (labels == label).astype(np.float32),
            indices[:3, :3],
            indices[:3, 3],
            output_shape=shape,
            order=1,
        )
        wins = share > best
        moved[wins], best[wins] = label, share[wins]
    return moved


def _register(moving: Any, fixed: Any, mask: Any, kind: str, seed: int) -> np.ndarray:
    import ants

    files: list[str] = []
    try:
        with _seeded(seed):
            found = ants.registration(
                fixed,
                moving,
                kind,
                mask=mask,
                aff_metric="GC",
                aff_random_sampling_rate=min(1.0, _POINTS / fixed.numpy().size),
                aff_iterations=(200, 100, 20),
                aff_shrink_factors=(4, 2, 1),
                aff_smoothing_sigmas=(2, 1, 0),
            )
        files = list({*found["fwdtransforms"], *found["invtransforms"]})
        lps = _matrix(ants.read_transform(found["fwdtransforms"][0]))
    except RuntimeError as error:
        raise ImageError(
            f"ANTs could not align the images ({one_line(error)}); "
            "check that they show the same head"
        ) from error
    finally:
        for file in files:
            Path(file).unlink(missing_ok=True)
    return _RAS_TO_LPS @ lps @ _RAS_TO_LPS


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    # ANTsPy's own switch (ants.config) would also reseed NumPy for the whole process.
    name = "ANTS_RANDOM_SEED"
    before = os.environ.get(name)
    os.environ[name] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def to_ants(volume: np.ndarray, affine: np.ndarray) -> Any:
    """Make an ``ants.ANTsImage``, float32, of a volume and its RAS+ affine without shear.

    Parameters
    ----------
    volume
        3-D, numbers or booleans.
    affine
        4 x 4, voxel indices to mm, RAS+.

    Returns
    -------
    ants.ANTsImage
    """
    import ants

    lps = _RAS_TO_LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    return ants.from_numpy(
        volume.astype(np.float32),
        origin=tuple(lps[:3, 3]),
        spacing=tuple(spacing),
        direction=lps[:3, :3] / spacing,
    )


def _matrix(transform: Any) -> np.ndarray:
    """Read an ITK affine: a matrix about a centre, then a translation."""
    parameters = np.asarray(transform.parameters, dtype=np.float64)
    centre = np.asarray(transform.fixed_parameters, dtype=np.float64)
    matrix = np.eye(4)
    matrix[:3, :3] = parameters[:9].reshape(3, 3)
    matrix[:3, 3] = parameters[9:] + centre - matrix[:3, :3] @ centre
    return matrix
