"""Affine transforms of ANTs, brought to nibabel's convention: the one place where both meet.

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

from pathlib import Path
from typing import Any

import numpy as np

from clinica_t1nce.errors import TransformError

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
_CENTRE = "fixed"
_KINDS = ("AffineTransform_", "MatrixOffsetTransformBase_")


def read_itk_affine(path: str | Path) -> np.ndarray:
    """Read an affine of ANTs in ITK's MATLAB format, as ``0GenericAffine.mat``.

    4 x 4, float64: points of the fixed image's space to points of the moving one's, both in mm,
    RAS+.

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
    """Make an ``ants.ANTsImage``, float32, of a volume and its RAS+ affine without shear."""
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
