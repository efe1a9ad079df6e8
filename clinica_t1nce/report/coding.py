"""Volumes as images that a browser decodes: mosaics of axial slices in data URIs.

A page holds one base volume and, of every other volume, its difference from the base. The
browser adds them up, so that the difference of any two volumes is free of the compression noise
of the base, and what a model changed, which is smooth, costs little room.
"""

import base64
import io
from dataclasses import dataclass

import numpy as np

BLOCK = 8
"""Sides of a mosaic's tiles are multiples of a JPEG block, so that slices do not mix."""

ZERO = 128
"""Code of no difference."""

SOFT = 20.0
"""Differences up to about so many % of the range are coded evenly, larger ones ever coarser."""

LEVELS = np.arange(256)


@dataclass(frozen=True)
class Mosaic:
    """How the axial slices of a volume lie in one image, row by row from the upper left.

    Attributes
    ----------
    width, height
        Size of a tile in pixels: voxels along the first and second axis, and padding at their ends.
    columns, rows
        Tiles across and down; those after the last slice are black.
    """

    width: int
    height: int
    columns: int
    rows: int

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> "Mosaic":
        """Lay out a volume as nearly square as its tiles allow."""
        width, height = (-(-side // BLOCK) * BLOCK for side in shape[:2])
        columns = max(1, round(float(np.sqrt(shape[2] * height / width))))
        return cls(width, height, columns, -(-shape[2] // columns))

    def arrange(self, codes: np.ndarray, fill: int = 0) -> np.ndarray:
        """Turn a uint8 volume (x, y, z) into the image; rows of pixels run along x.

        Parameters
        ----------
        codes
            Codes of the voxels, uint8, nx x ny x nz.
        fill
            Code of pixels that show no voxel.
        """
        n_x, n_y, _ = codes.shape
        tiles = np.full((self.rows, self.height, self.columns, self.width), fill, np.uint8)
        for row in range(self.rows):
            part = codes[..., row * self.columns : (row + 1) * self.columns]
            tiles[row, :n_y, : part.shape[2], :n_x] = part.transpose(1, 2, 0)
        return tiles.reshape(self.rows * self.height, self.columns * self.width)


@dataclass(frozen=True)
class Base:
    """Linear code of the base volume.

    Attributes
    ----------
    low, high
        Values of the codes 0 and 255, in the volume's units; beyond them it is cut off.
    """

    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Base":
        """Cover all but the brightest of 10 000 voxels."""
        low, high = map(float, np.percentile(values, [0.01, 99.99]))
        low = min(0.0, low)
        return cls(low, max(high, low + 1e-6))

    def encode(self, volume: np.ndarray) -> np.ndarray:
        """Give uint8 codes."""
        scaled = (volume - np.float32(self.low)) * np.float32(255 / (self.high - self.low))
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Difference:
    """Code of a difference from the base: even about 0, logarithmic where it is large.

    Attributes
    ----------
    limit
        The largest absolute difference, % of the range.
    """

    limit: float

    @property
    def _gain(self) -> float:
        return float((255 - ZERO) / np.arcsinh(self.limit / SOFT))

    def encode(self, percent: np.ndarray) -> np.ndarray:
        """Give uint8 codes of differences in % of the range."""
        codes = np.full(percent.shape, ZERO, np.uint8)
        differs = percent != 0
        sizes = np.arcsinh(percent[differs] * np.float32(1 / SOFT)) * np.float32(self._gain)
        codes[differs] = np.clip(np.rint(sizes) + ZERO, 0, 255)
        return codes

    def table(self) -> np.ndarray:
        """Give the difference, in % of the range, that each of the 256 codes stands for."""
        return SOFT * np.sinh((LEVELS - ZERO) / self._gain)


def jpeg_uri(image: np.ndarray, quality: int) -> str:
    """Encode a uint8 image as a gray JPEG.

    Parameters
    ----------
    image
        Gray values, rows x columns.
    quality
        Quality of the JPEG, 1 to 95.
    """
    return _uri(image, "jpeg", quality=quality, optimize=True)


def png_uri(image: np.ndarray) -> str:
    """Encode a uint8 image as a gray PNG, without loss."""
    return _uri(image, "png", compress_level=6)


def _uri(image: np.ndarray, kind: str, **options: int | bool) -> str:
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(image).save(packed, kind, **options)
    return data_uri(f"image/{kind}", packed.getvalue())


def data_uri(media_type: str, content: bytes) -> str:
    """Write a file into a URI."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
