"""Registration by ANTs, and its affines in nibabel's convention: the one place where both meet.

ITK, and so ANTs and ANTsPy, counts world coordinates towards left, posterior, superior (LPS);
nibabel towards right, anterior, superior (RAS+). The two differ by the sign of x and y, so that
a matrix M in one convention is ``F @ M @ F``, with ``F = diag(-1, -1, 1, 1)``, in the other. All
matrices of this package are RAS+, in mm.

ITK stores the matrix A, a translation t and a centre c; a point p goes to ``A (p - c) + c + t``.

``antsRegistration`` writes the transform that ``antsApplyTransforms`` needs to bring the *moving*
image to the *fixed* one's grid: for each voxel of the fixed image it says where to look in the
moving one. So the ``*_affine.mat`` of t1-linear, whose fixed image is the MNI template, takes
**points of MNI space to points of the raw image**.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from clinica_t1nce.errors import ImageError, TransformError, one_line

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
_CENTRE = "fixed"
_KINDS = ("AffineTransform_", "MatrixOffsetTransformBase_")

POINTS = 300_000
"""Voxels that are compared at the finest scale. On a crop of t1-linear, twice as many and twice
the iterations moved the result by less than 0.02 mm."""

SCALES = ((200, 4, 2), (100, 2, 1), (20, 1, 0))
"""Iterations, shrink factor and smoothing, in voxels, of each scale, the coarsest first."""


def read_itk_affine(path: str | Path) -> np.ndarray:
    """Read a ``.mat`` of ANTs.

    Parameters
    ----------
    path
        An affine in ITK's MATLAB format, as ``0GenericAffine.mat``.

    Returns
    -------
    numpy.ndarray
        4 x 4, float64: points of the fixed image's space to points of the moving one's, both in
        mm, RAS+.

    Raises
    ------
    TransformError
        If the file is missing or not such a transform.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    path = Path(path)
    if not path.is_file():
        raise TransformError(
            f"{path}: no such file; run `clinica run t1-linear` again for this visit"
        )
    try:
        content = loadmat(path)
        (kind,) = (name for name in content if name.startswith(_KINDS))
        parameters = np.asarray(content[kind], dtype=np.float64).ravel()
        centre = np.asarray(content[_CENTRE], dtype=np.float64).reshape(3)
        linear, translation = parameters[:9].reshape(3, 3), parameters[9:].reshape(3)
    except (OSError, ValueError, TypeError, KeyError, MatReadError):
        raise TransformError(
            f"{path}: not an affine of ANTs; run `clinica run t1-linear` again for this visit"
        ) from None
    matrix = _to_ras(linear, translation, centre)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(linear)) < 1e-6:
        raise TransformError(
            f"{path}: an affine that cannot be inverted; run `clinica run t1-linear` again for "
            "this visit"
        )
    return matrix


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

    lps = _FLIP @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    return ants.from_numpy(
        volume.astype(np.float32),
        origin=tuple(lps[:3, 3]),
        spacing=tuple(spacing),
        direction=lps[:3, :3] / spacing,
    )


def from_ants(transform: Any) -> np.ndarray:
    """Give the matrix of an affine ``ants.ANTsTransform``, as :func:`read_itk_affine`."""
    parameters = np.asarray(transform.parameters, dtype=np.float64)
    centre = np.asarray(transform.fixed_parameters, dtype=np.float64)
    return _to_ras(parameters[:9].reshape(3, 3), parameters[9:], centre)


def _to_ras(linear: np.ndarray, translation: np.ndarray, centre: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = translation + centre - linear @ centre
    return _FLIP @ matrix @ _FLIP


def register_volumes(
    moving: np.ndarray,
    moving_affine: np.ndarray,
    fixed: np.ndarray,
    fixed_affine: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    kind: str = "rigid",
    points: int = POINTS,
    seed: int = 1,
) -> np.ndarray:
    """Find the movement between two volumes, from where their centres of mass meet.

    The metric is the global correlation, because ANTs' mutual information sums in the order in
    which threads end: correlation gives the same bytes again.

    Parameters
    ----------
    moving, fixed
        Volumes, three axes.
    moving_affine, fixed_affine
        4 x 4, voxel indices to mm, RAS+; any orientation without shear.
    mask
        Boolean, on the fixed grid: where the images are compared; None: everywhere.
    kind
        ``"rigid"`` (rotation and translation) or ``"affine"`` (scales and shears as well).
    points
        Number of voxels of the fixed volume that are compared.
    seed
        Seed of the points at which ANTs samples the images.

    Returns
    -------
    numpy.ndarray
        4 x 4, RAS+ mm: takes a point of the *fixed* image to the same anatomy in the *moving*
        one (the direction in which images are resampled).

    Raises
    ------
    ImageError
        If the registration fails.
    """
    import ants

    files: list[str] = []
    iterations, factors, sigmas = zip(*SCALES, strict=True)
    try:
        with _seeded(seed):
            found = ants.registration(
                to_ants(fixed, fixed_affine),
                to_ants(moving, moving_affine),
                kind.capitalize(),
                mask=None if mask is None else to_ants(mask, fixed_affine),
                aff_metric="GC",
                aff_random_sampling_rate=min(1.0, points / fixed.size),
                aff_iterations=iterations,
                aff_shrink_factors=factors,
                aff_smoothing_sigmas=sigmas,
            )
        files = list({*found["fwdtransforms"], *found["invtransforms"]})
        return from_ants(ants.read_transform(found["fwdtransforms"][0]))
    except RuntimeError as error:
        raise ImageError(
            f"ANTs could not align the images ({one_line(error)}); "
            "check that they show the same head"
        ) from error
    finally:
        for file in files:
            Path(file).unlink(missing_ok=True)


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
