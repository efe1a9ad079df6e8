"""Small pictures beside the pages, for lists of thousands: T1ce, synthetic image, their difference.

All share one colour scale, so that the differences of a list's images can be compared.
"""

from pathlib import Path

import numpy as np

from clinica_t1nce.files.atomic import temporary
from clinica_t1nce.report import scales

TILE = (80, 96)
"""Width and height of each of the three parts, in pixels."""

LIMIT = 50.0
"""Difference at the ends of the colour scale, % of the range."""


def path_of(page: Path) -> Path:
    """Say where the picture of a page belongs.

    Examples
    --------
    >>> path_of(Path("pages/sub-01.html")).as_posix()
    'pages/sub-01.jpg'
    """
    return page.with_suffix(".jpg")


def write_thumbnail(
    page: Path,
    t1ce: np.ndarray,
    synthetic: np.ndarray,
    *,
    zooms: tuple[float, float],
    window: tuple[float, float],
    percent: float,
) -> Path:
    """Write the picture of a page: T1ce, synthetic image and their difference side by side.

    The same arguments give the same bytes with the same Pillow.

    Parameters
    ----------
    page
        The HTML file beside which it is put.
    t1ce, synthetic
        Sections of one shape, rows x columns, in the same units.
    zooms
        Height of a row and width of a column, mm.
    window
        Intensities shown black and white.
    percent
        Difference, in % of the range, that one unit of intensity is.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from PIL import Image

    width, height = TILE
    size = np.multiply(t1ce.shape, zooms)
    shape = np.rint(size * min(height / size[0], width / size[1])).astype(int).clip(1)
    *grays, change = (_shrunk(image, shape) for image in (t1ce, synthetic, t1ce - synthetic))
    codes = np.rint(127.5 * (1 + change * percent / LIMIT)).clip(0, 255).astype(int)
    scaled = [(gray - window[0]) * (255 / (window[1] - window[0])) for gray in grays]
    tiles = [*(gray[..., None] for gray in scaled), scales.signed_colours()[codes]]
    picture = np.zeros((height, 3 * width, 3), np.uint8)
    top, left = (height - shape[0]) // 2, (width - shape[1]) // 2
    for start, tile in zip((0, width, 2 * width), tiles, strict=True):
        place = picture[top : top + shape[0], start + left : start + left + shape[1]]
        place[:] = tile.clip(0, 255).astype(np.uint8)
    path = path_of(page)
    with temporary(path) as part:
        # Colours at full resolution: they carry what was removed.
        options = {"quality": 80, "subsampling": 0, "optimize": True}
        Image.fromarray(picture).save(part, "jpeg", **options)
    return path


def _shrunk(image: np.ndarray, shape: np.ndarray) -> np.ndarray:
    from PIL import Image

    size = int(shape[1]), int(shape[0])
    # A filter that overshoots would show added signal around what was removed.
    smaller = Image.fromarray(image.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(smaller)
