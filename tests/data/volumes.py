"""Tiny volumes and NIfTI files, made in code; every test takes its images from here."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

CROP_SHAPE = (169, 208, 179)
SHAPE = (24, 28, 20)


def brain(shape: tuple[int, int, int] = SHAPE, *, seed: int = 0) -> np.ndarray:
    """Make a T1nce: a gray shell around a white core, lopsided along every axis; air is 0."""
    noise = np.random.default_rng(seed).normal(scale=0.02, size=shape)
    axes = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij")
    radius = np.sqrt(sum((x / s) ** 2 for x, s in zip(axes, (0.8, 0.9, 0.75), strict=True)))
    texture = ndimage.gaussian_filter(noise, 0.7) + 0.06 * axes[0] + 0.1 * axes[1] - 0.08 * axes[2]
    tissue = np.where(radius < 0.65, 1.0, 0.6) + texture
    return (np.where(radius < 1, tissue, 0) * 400).astype(np.float32)


def folded(shape: tuple[int, int, int] = (48, 52, 44), *, seed: int = 0) -> np.ndarray:
    """Make a T1nce with folds of fluid, gray and white matter inside the outline of `brain`."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0)
    tissue = np.array([0.3, 0.7, 1.0])[np.digitize(field, np.quantile(field, [0.2, 0.6]))]
    smooth = 400 * ndimage.gaussian_filter(tissue, 0.5)
    return np.where(brain(shape) > 0, smooth, 0).astype(np.float32)


def enhance(t1nce: np.ndarray) -> np.ndarray:
    """Make the T1ce of a T1nce: one bright tube through the brain."""
    tube = np.zeros(t1nce.shape, bool)
    x, _, z = (side // 2 for side in t1nce.shape)
    tube[x : x + 2, :, z : z + 2] = True
    return np.where(tube & (t1nce > 0), t1nce + 350, t1nce).astype(np.float32)


def affine(
    kind: str = "ras", *, zooms: tuple[float, float, float] = (1, 1, 1), shape: tuple = SHAPE
) -> np.ndarray:
    """Make an affine: ``ras``, ``las``, ``lps``, ``pir`` (axes exchanged), oblique or sheared."""
    axes = {
        "ras": np.eye(3),
        "las": np.diag([-1.0, 1, 1]),
        "lps": np.diag([-1.0, -1, 1]),
        "pir": np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]),
        "oblique": _rotation(0.3, 0.2),
        "sheared": np.array([[1.0, 0.2, 0], [0, 1, 0], [0, 0.1, 1]]),
    }[kind]
    matrix = np.eye(4)
    matrix[:3, :3] = axes @ np.diag(zooms)
    matrix[:3, 3] = -matrix[:3, :3] @ ((np.array(shape) - 1) / 2) + (3, -5, 7)
    return matrix


def write(
    path: Path,
    data: np.ndarray,
    affine: np.ndarray | None = None,
    *,
    dtype: np.typing.DTypeLike = np.float32,
    slope: float | None = None,
    sform_code: int = 2,
    qform_code: int = 0,
) -> Path:
    """Write a NIfTI file; by default with the codes of t1-linear's crops.

    With a slope, `data` are divided by it and rounded to `dtype`, as scanners' files are.
    """
    matrix = np.eye(4) if affine is None else affine
    stored = data if slope is None else np.round(data / slope)
    nifti = nib.Nifti1Image(stored.astype(dtype), matrix)
    nifti.header.set_xyzt_units("mm", "sec")
    nifti.set_sform(matrix if sform_code else None, sform_code)
    nifti.set_qform(matrix if qform_code else None, qform_code)
    content = bytearray(nifti.to_bytes())
    if slope is not None:
        # nibabel would choose a slope of its own: scl_slope, scl_inter.
        content[112:120] = np.array([slope, 0], "<f4").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


def _rotation(about_z: float, about_x: float) -> np.ndarray:
    c, s = np.cos(about_z), np.sin(about_z)
    z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    c, s = np.cos(about_x), np.sin(about_x)
    return z @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
