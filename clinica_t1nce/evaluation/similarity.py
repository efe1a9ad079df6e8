"""How near an image is to the real T1nce: MAE, PSNR, SSIM and others, in a mask.

After a smooth fit of the T1nce to the T1ce images are taken as they are
(:func:`measure_smooth_similarity`). To stand beside the paper, they are also compared on its scale
(:func:`unit_scale`): the real ones between 0 and 1, a synthetic one on the scale of the T1ce that
it was made from. The range is 1 then.
"""

from dataclasses import asdict, dataclass

import numpy as np

from clinica_t1nce.errors import ImageError
from clinica_t1nce.evaluation.recovery import least_squares
from clinica_t1nce.evaluation.smooth_recovery import SmoothPair
from clinica_t1nce.volumes import grids, intensity
from clinica_t1nce.volumes.grids import nonzero_box

SIGMA = 1.5
RADIUS = 5
"""Standard deviation and half width of the Gaussian window of SSIM, voxels: 11 x 11 x 11, as in
Wang et al. 2004 (11 x 11)."""

BINS = 64
"""Bins of each image's intensities for the normalised mutual information."""

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


@dataclass(frozen=True)
class SmoothSimilarity(Similarity):
    """How near an image is to the T1nce as the T1ce's scan would show it.

    Attributes
    ----------
    pcc
        Pearson correlation; NaN of a constant image.
    nmi
        Normalised mutual information (Studholme et al. 1999), 1 to 2, of intensities clipped to
        their 0.5th and 99.5th percentiles; NaN of a constant image.
    blur
        Blur of the image itself, 0 to 1 (:func:`measure_blur`).
    """

    pcc: float
    nmi: float
    blur: float


def unit_scale(volume: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """Bring a whole image to the paper's scale: its minimum to 0, its maximum to 1.

    Parameters
    ----------
    volume
        Image in any unit.
    like
        Image whose minimum and maximum count: of a synthetic image, the T1ce that it was
        made from. None: `volume` itself. A constant image becomes 0.

    Returns
    -------
    numpy.ndarray
        Image, float64; a synthetic one also below 0 and above 1.
    """
    scaling = intensity.measure_min_max(volume if like is None else like)
    if scaling.factor == 0:
        return np.asarray(volume, np.float64) - scaling.offset
    return scaling.apply(volume.astype(np.float64))


def measure_similarity(
    reference: np.ndarray, image: np.ndarray, mask: np.ndarray, data_range: float = 1.0
) -> Similarity:
    """Measure an image against the real T1nce as it is, in a mask.

    PSNR and SSIM are scikit-image's. SSIM is that of Wang et al. 2004 in 3-D: Gaussian window of
    11 voxels and 1.5 voxels standard deviation, population variances, K1 0.01, K2 0.03, averaged
    over the mask.

    Parameters
    ----------
    reference
        T1nce, 3-D.
    image
        Volume on the grid and the scale of the reference.
    mask
        Boolean volume of the same shape: where similarity is measured.
    data_range
        Range that makes 100 % of MAE, the peak of PSNR and the range of SSIM, in the units
        of `reference`.

    Raises
    ------
    ImageError
        If the mask is empty, shapes differ, or voxels are not finite.
    """
    for volume in (reference, image):
        _check_comparable(volume, mask)
    # The window reaches no further: outside the box nothing counts.
    box = nonzero_box(mask, RADIUS)
    return _compare(
        reference[box].astype(np.float64), image[box].astype(np.float64), mask[box], data_range
    )


def compare_matched(
    reference: np.ndarray, image: np.ndarray, mask: np.ndarray, data_range: float = 1.0
) -> Similarity:
    """Measure an image after its best linear fit to the reference.

    The fit (least squares, in the mask) takes away what a global change of brightness and
    contrast explains.

    Parameters
    ----------
    reference, image, mask, data_range
        Images, mask and range, as of :func:`measure_similarity`.

    Raises
    ------
    ImageError
        If :func:`measure_similarity` would raise it.
    """
    for volume in (reference, image):
        _check_comparable(volume, mask)
    x, y = image[mask].astype(np.float64), reference[mask].astype(np.float64)
    slope, shift = least_squares(x, y)
    return measure_similarity(reference, slope * image.astype(np.float64) + shift, mask, data_range)


def measure_smooth_similarity(pair: SmoothPair, image: np.ndarray) -> SmoothSimilarity:
    """Measure an image, as it is, against the T1nce as the T1ce's scan would show it.

    Both are 0 outside the pair's mask. The range is that of the fitted T1nce in the mask, 99.5th
    percentile minus minimum.

    Parameters
    ----------
    pair
        Real pair after its smooth fit.
    image
        Synthetic T1nce, or the T1ce, on the pair's grid and in the T1ce's units.

    Raises
    ------
    ImageError
        If the shape differs, or voxels are not finite.
    """
    mask = np.pad(pair.mask, RADIUS)
    y = np.pad(pair.fitted, RADIUS).astype(np.float64)
    x = np.where(mask, np.pad(pair.scaled(image), RADIUS), 0).astype(np.float64)
    inside = y[mask]
    data_range = float(np.percentile(inside, 99.5) - inside.min())
    if data_range <= 0:
        raise ImageError("the T1nce is constant in the brain; check the image and the mask")
    return SmoothSimilarity(
        **asdict(_compare(y, x, mask, data_range)),
        pcc=_correlation(x[mask], inside),
        nmi=_mutual_information(x[mask], inside),
        blur=measure_blur(x, mask),
    )


def measure_blur(volume: np.ndarray, mask: np.ndarray) -> float:
    """Measure how blurred a brain is, without any reference.

    How little an image changes when it is blurred along an axis (Crété et al. 2007, scikit-image's
    ``blur_effect``, window of 11 voxels); of the three axes that of the strongest blur.

    Parameters
    ----------
    volume
        Image, 3-D, in any unit.
    mask
        Boolean mask of the brain; the rest counts as 0.

    Returns
    -------
    float
        Blur, 0 (sharp) to 1 (as blurred as can be); NaN of a constant image.
    """
    from skimage.measure import blur_effect

    box = nonzero_box(mask, RADIUS)
    values = np.where(mask, volume, 0)[box].astype(np.float64)
    if values.min() == values.max():
        return float("nan")
    return float(blur_effect(values, h_size=11, channel_axis=None))


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
        Reference, in any unit.
    t1ce
        Image that `image` was made from, in the units of `image`, on one grid with `t1nce`.
    image
        Synthetic T1nce; or `t1ce` itself.
    mask
        Boolean mask of the same shape.

    Raises
    ------
    ImageError
        If shapes differ, the mask is empty, or voxels are not finite.
    """
    for volume in (t1nce, t1ce, image):
        _check_comparable(volume, mask)
    small = _resized_volume(t1ce, AUTHORS_GRID)
    x = unit_scale(small if image is t1ce else _resized_volume(image, AUTHORS_GRID), like=small)
    y = unit_scale(_resized_volume(t1nce, AUTHORS_GRID))
    x, y = (np.where(mask, _resized_volume(v, mask.shape), 0).astype(np.float64) for v in (x, y))
    mean_x, mean_y, n = x.mean(), y.mean(), x.size
    covariance = (x * y).mean() - mean_x * mean_y
    variances = x.var(ddof=1) + y.var(ddof=1) if n > 1 else 0.0
    ssim = ((2 * mean_x * mean_y + AUTHORS_C1) * (2 * covariance + AUTHORS_C2)) / (
        (mean_x**2 + mean_y**2 + AUTHORS_C1) * (variances + AUTHORS_C2)
    )
    return _similarity(y, x, float(ssim), 1.0)


def _compare(y: np.ndarray, x: np.ndarray, mask: np.ndarray, data_range: float) -> Similarity:
    from skimage.metrics import structural_similarity

    _, ssim = structural_similarity(
        y,
        x,
        data_range=data_range,
        gaussian_weights=True,
        sigma=SIGMA,
        use_sample_covariance=False,
        full=True,
    )
    return _similarity(y[mask], x[mask], float(ssim[mask].mean()), data_range)


def _similarity(y: np.ndarray, x: np.ndarray, ssim: float, data_range: float) -> Similarity:
    from skimage.metrics import peak_signal_noise_ratio

    with np.errstate(divide="ignore"):
        psnr = float(peak_signal_noise_ratio(y, x, data_range=data_range))
    return Similarity(100 * float(np.abs(x - y).mean()) / data_range, psnr, ssim)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(x, y)[0, 1]) if np.ptp(x) and np.ptp(y) else float("nan")


def _mutual_information(x: np.ndarray, y: np.ndarray) -> float:
    from skimage.metrics import normalized_mutual_information

    # Bins of equal use: one bright vessel would make those of a T1ce coarse.
    x, y = (np.clip(values, *np.percentile(values, [0.5, 99.5])) for values in (x, y))
    if not (np.ptp(x) and np.ptp(y)):
        return float("nan")
    return float(normalized_mutual_information(x, y, bins=BINS))


def _resized_volume(volume: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(volume, dtype=np.float32))
    return grids.resample(tensor[None, None], shape)[0, 0].numpy()


def _check_comparable(volume: np.ndarray, mask: np.ndarray) -> None:
    if volume.shape != mask.shape:
        raise ImageError(f"image {volume.shape}, mask {mask.shape}; give one grid")
    if not mask.any():
        raise ImageError("the brain mask is empty; give another one")
    if not np.isfinite(volume).all():
        raise ImageError("NaN or infinite voxels; set them to 0 first")
