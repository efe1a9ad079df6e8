"""How near an image is to the real T1nce: MAE, PSNR and SSIM, in a mask.

Images are compared on the paper's scale (:func:`unit_scale`): the real ones between 0 and 1, a
synthetic one on the scale of the T1ce that it was made from. The range is 1 then.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import ImageError
from clinica_t1nce.volumes import grids, intensity

SIGMA = 1.5
RADIUS = 5
"""Of the Gaussian window of SSIM, voxels: 11 x 11 x 11, as in Wang et al. 2004 (11 x 11)."""

K1, K2 = 0.01, 0.03

AUTHORS_GRID = (128, 128, 128)
AUTHORS_C1, AUTHORS_C2 = 0.01, 0.03


@dataclass(frozen=True)
class Similarity:
    """How near an image is to the reference.

    Attributes
    ----------
    mae
        Mean absolute error, % of the range.
    psnr
        Peak signal-to-noise ratio, dB; infinite where the two are equal.
    ssim
        Structural similarity, at most 1.
    """

    mae: float
    psnr: float
    ssim: float


def unit_scale(volume: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """Bring a whole image to the paper's scale: its minimum to 0, its maximum to 1.

    Parameters
    ----------
    volume
        Any unit.
    like
        The image whose minimum and maximum count: of a synthetic image, the T1ce that it was
        made from. None: `volume` itself. A constant image becomes 0.

    Returns
    -------
    numpy.ndarray
        float64; of a synthetic image also below 0 and above 1.
    """
    scaling = intensity.measure_min_max(volume if like is None else like)
    if scaling.factor == 0:
        return np.asarray(volume, np.float64) - scaling.offset
    return scaling.apply(volume.astype(np.float64))


class Reference:
    """A real T1nce that images are compared with; what they share is computed once.

    Parameters
    ----------
    volume
        The T1nce, 3-D.
    mask
        Boolean, of the same shape: where similarity is measured.
    data_range
        The range that makes 100 % of MAE, the peak of PSNR and the range of SSIM, in the units
        of `volume`.

    Raises
    ------
    ImageError
        If the mask is empty or of another shape, or voxels are not finite.
    """

    def __init__(self, volume: np.ndarray, mask: np.ndarray, data_range: float = 1.0):
        _check(volume, mask)
        self._shape = volume.shape
        # The window reaches no further: outside the box nothing counts.
        self._box = tuple(
            slice(max(side.start - RADIUS, 0), side.stop + RADIUS)
            for side in ndimage.find_objects(mask.astype(np.uint8))[0]
        )
        self._mask = mask[self._box]
        self._volume = volume[self._box].astype(np.float64)
        self._range = data_range
        self._inside_mask = self._volume[self._mask]
        self._mean, square = self._blurred(self._volume, self._volume**2)
        self._variance = square - self._mean**2

    def compare(self, image: np.ndarray) -> Similarity:
        """Measure an image as it is.

        SSIM is that of Wang et al. 2004 in 3-D: Gaussian window of 11 voxels and 1.5 voxels
        standard deviation, population variances, K1 0.01, K2 0.03, averaged over the mask.

        Parameters
        ----------
        image
            On the grid and the scale of the reference.

        Returns
        -------
        Similarity

        Raises
        ------
        ImageError
            If the shape differs, or voxels are not finite.
        """
        return self._compare(self._inside(image))[0]

    def compare_matched(self, image: np.ndarray) -> tuple[Similarity, Similarity]:
        """Measure an image as it is, and once more after its best linear fit to the reference.

        The fit (least squares, in the mask) takes away what a global change of brightness and
        contrast explains.

        Parameters
        ----------
        image
            On the grid and the scale of the reference.

        Returns
        -------
        as_it_is, fitted : Similarity

        Raises
        ------
        ImageError
            If the shape differs, or voxels are not finite.
        """
        as_it_is, fitted = self._compare(self._inside(image), fit=True)
        assert fitted is not None
        return as_it_is, fitted

    def _inside(self, image: np.ndarray) -> np.ndarray:
        if image.shape != self._shape:
            raise ImageError(
                f"images of {image.shape} and {self._shape} voxels; bring them to one grid"
            )
        inside = image[self._box].astype(np.float64)
        if not np.isfinite(inside).all():
            raise ImageError("NaN or infinite voxels; set them to 0 first")
        return inside

    def _compare(
        self, image: np.ndarray, *, fit: bool = False
    ) -> tuple[Similarity, Similarity | None]:
        mean, square, product = self._blurred(image, image**2, image * self._volume)
        variance = square - mean**2
        covariance = product - mean * self._mean
        x, y = image[self._mask], self._inside_mask

        def measure(slope: float, shift: float) -> Similarity:
            # The moments of a fitted image follow from those of the image.
            return _similarity(
                slope * x + shift - y,
                self._ssim(slope * mean + shift, slope**2 * variance, slope * covariance),
                self._range,
            )

        return measure(1, 0), measure(*_least_squares(x, y)) if fit else None

    def _ssim(self, mean: np.ndarray, variance: np.ndarray, covariance: np.ndarray) -> float:
        c1, c2 = (K1 * self._range) ** 2, (K2 * self._range) ** 2
        numerator = (2 * mean * self._mean + c1) * (2 * covariance + c2)
        denominator = (mean**2 + self._mean**2 + c1) * (variance + self._variance + c2)
        return float((numerator / denominator).mean())

    def _blurred(self, *volumes: np.ndarray) -> list[np.ndarray]:
        """Blur volumes with the window of SSIM, and keep what is in the mask, as a list."""
        return [volume[self._mask] for volume in _blur(volumes)]


def compare_as_authors(
    t1nce: np.ndarray, t1ce: np.ndarray, image: np.ndarray, mask: np.ndarray
) -> Similarity:
    """Measure an image as the code of the paper's authors does, to stand beside their Table 1.

    All images go to 128 x 128 x 128 and back (trilinear), scaled in between: the real ones by
    their minimum and maximum there, the synthetic one like its T1ce. Outside the mask all
    become 0, and averages run over the whole volume, zeros included, so that MAE is smaller
    than in the mask by the mask's share of the volume. PSNR's peak is 1. SSIM is one value from
    the moments of the whole volume, without a window, with C1 = 0.01 and C2 = 0.03.

    Parameters
    ----------
    t1nce
        The reference, any unit.
    t1ce
        The image that `image` was made from, in the units of `image`, on one grid with `t1nce`.
    image
        Synthetic T1nce; or `t1ce` itself.
    mask
        Boolean, of the same shape.

    Returns
    -------
    Similarity

    Raises
    ------
    ImageError
        If shapes differ, the mask is empty, or voxels are not finite.
    """
    for volume in (t1nce, t1ce, image):
        _check(volume, mask)
    small = _resized(t1ce, AUTHORS_GRID)
    x = unit_scale(small if image is t1ce else _resized(image, AUTHORS_GRID), like=small)
    y = unit_scale(_resized(t1nce, AUTHORS_GRID))
    x, y = (np.where(mask, _resized(v, mask.shape), 0).astype(np.float64) for v in (x, y))
    mean_x, mean_y, n = x.mean(), y.mean(), x.size
    covariance = (x * y).mean() - mean_x * mean_y
    variances = x.var(ddof=1) + y.var(ddof=1) if n > 1 else 0.0
    ssim = ((2 * mean_x * mean_y + AUTHORS_C1) * (2 * covariance + AUTHORS_C2)) / (
        (mean_x**2 + mean_y**2 + AUTHORS_C1) * (variances + AUTHORS_C2)
    )
    return _similarity((x - y).ravel(), float(ssim), 1.0)


def _similarity(difference: np.ndarray, ssim: float, data_range: float) -> Similarity:
    error = difference / data_range
    mean_square = float(np.square(error).mean())
    psnr = -10 * np.log10(mean_square) if mean_square > 0 else np.inf
    return Similarity(100 * float(np.abs(error).mean()), float(psnr), ssim)


def _blur(volumes: Sequence[np.ndarray]) -> list[np.ndarray]:
    def blur(volume: np.ndarray) -> np.ndarray:
        blurred: np.ndarray = ndimage.gaussian_filter(volume, SIGMA, radius=RADIUS)
        return blurred

    # SciPy lets go of the interpreter's lock while it filters.
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(blur, volumes))


def _least_squares(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    spread = x - x.mean()
    energy = float(spread @ spread)
    slope = float(spread @ y) / energy if energy else 0.0
    return slope, float(y.mean() - slope * x.mean())


def _resized(volume: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(volume, dtype=np.float32))
    return grids.resample(tensor[None, None], shape)[0, 0].numpy()


def _check(volume: np.ndarray, mask: np.ndarray) -> None:
    if volume.shape != mask.shape:
        raise ImageError(f"image {volume.shape}, mask {mask.shape}; give one grid")
    if not mask.any():
        raise ImageError("the brain mask is empty; give another one")
    if not np.isfinite(volume).all():
        raise ImageError("NaN or infinite voxels; set them to 0 first")
