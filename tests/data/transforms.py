"""Affines as ANTs writes them."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

FLIP = np.diag([-1.0, -1, 1, 1])


def matrix(angle: float = 0.2, scale: float = 0.9) -> np.ndarray:
    """Points of one space to points of another, mm, RAS+: turned, scaled, sheared, shifted."""
    c, s = np.cos(angle), np.sin(angle)
    out = np.eye(4)
    out[:3, :3] = np.array([[c, -s, 0.02], [s, c, 0], [0, 0.1, 1]]) * scale
    out[:3, 3] = 3, -7, 11
    return out


def write_itk(
    path: Path,
    ras: np.ndarray,
    *,
    centre: tuple[float, float, float] = (0, 21, 9),
    kind: str = "AffineTransform_float_3_3",
) -> Path:
    """Write a matrix as ITK does: LPS, about a centre, in MATLAB's format 4."""
    lps = FLIP @ ras @ FLIP
    linear, c = lps[:3, :3], np.array(centre, float)
    translation = lps[:3, 3] - c + linear @ c
    dtype = np.float32 if "float" in kind else np.float64
    content = {
        kind: np.concatenate([linear.ravel(), translation]).astype(dtype)[:, None],
        "fixed": c.astype(dtype)[:, None],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, content, format="4")
    return path
