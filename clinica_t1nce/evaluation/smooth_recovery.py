"""How much of the gadolinium a synthetic T1nce has lost, and what it has lost besides.

Two scans of one head differ in contrast and receive field. Here the T1nce is fitted to the T1ce
once, smoothly (:func:`clinica_t1nce.volumes.fitting.smooth_fit`), and every image is taken as it
is: a model that darkens all tissue is not forgiven, as it is by a global linear fit of its image
(:mod:`clinica_t1nce.evaluation.recovery`).

All volumes lie on one grid, that of the T1ce. With ``x`` the T1ce, ``y'`` the T1nce as the T1ce's
scan would show it, ``s`` the synthetic image and ``E`` the enhancing voxels, in which ``x - y'``
exceeds 2.5 robust standard deviations, errors are ``|s - y'|``. The unit is bright tissue: the
70th percentile of the T1ce's positive voxels in the brain. The mask is the brain eroded by one
voxel (6-neighbourhood), where the T1nce exceeds 2 % of its own bright tissue.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from clinica_t1nce.errors import ImageError
from clinica_t1nce.evaluation.recovery import ENHANCING, FAR, check_grids, gradient_energy, ratio
from clinica_t1nce.volumes.fitting import smooth_fit
from clinica_t1nce.volumes.grids import nonzero_box

BRIGHT = 70
"""Percentile of the positive voxels of a brain that makes 1."""

DARK = 0.02
"""What is darker in the T1nce, of bright tissue, is no tissue."""

SMOOTHING = 1.0
"""Standard deviation, voxels, of the Gaussian through which sharpness is compared: about twice
the scale of the noise, so that noise removed or added hardly counts."""

CLASSES = ("csf", "gm", "wm")
"""Tissues from dark to bright in a T1nce; their labels are 1, 2 and 3."""

_SAMPLE = 50_000
_ROUNDS = 3
_FIELD = 20.0
"""Standard deviation, voxels, of the Gaussian that makes a receive field smooth."""
_STEP = 4


@dataclass(frozen=True, eq=False)
class SmoothPair:
    """A real pair after the smooth fit: all that is known before any synthetic image.

    Attributes
    ----------
    t1ce
        T1ce, float32, in units of bright tissue, in the box of the mask.
    fitted
        T1nce as the T1ce's scan would show it, ``y'``: the same units and shape; 0 outside the
        mask.
    mask
        Boolean mask of tissue in both images.
    enhancing
        Boolean mask of the voxels where the T1ce exceeds ``y'`` by more than 2.5 robust standard
        deviations.
    tissues
        Label map, uint8: 1 CSF, 2 gray matter, 3 white matter, by the intensities of ``y'``
        (:func:`classify_tissues`); 0 outside the mask.
    box
        Place of these arrays in the volumes given.
    shape
        Shape of the volumes given.
    unit
        Bright tissue in the units of the T1ce given.
    """

    t1ce: np.ndarray
    fitted: np.ndarray
    mask: np.ndarray
    enhancing: np.ndarray
    tissues: np.ndarray
    box: tuple[slice, ...]
    shape: tuple[int, ...]
    unit: float

    def scaled(self, image: np.ndarray) -> np.ndarray:
        """Bring an image in the T1ce's units to those of the pair, float32, in its box.

        Raises
        ------
        ImageError
            If the shape differs, or voxels are not finite.
        """
        if image.shape != self.shape:
            raise ImageError(
                f"images of {image.shape} and {self.shape} voxels; bring them to one grid"
            )
        values = image[self.box].astype(np.float32) / np.float32(self.unit)
        if not np.isfinite(values).all():
            raise ImageError("NaN or infinite voxels; set them to 0 first")
        return values


@dataclass(frozen=True)
class SmoothMeasures:
    """How one synthetic image compares with ``y'``, the T1nce as the T1ce's scan would show it.

    Attributes
    ----------
    total
        Mean absolute error over the T1ce's.
    oracle
        Mean absolute error over the T1ce's, of the T1ce with ``y'`` in the enhancing voxels.
    share
        Fraction removed, ``(1 - total) / (1 - oracle)``: 0 of the T1ce itself, 1 of the oracle;
        negative of an image that is farther from the T1nce than the T1ce is.
    attainable
        Share that an image would have whose enhancement is gone and whose noise is left. Gadolinium
        only brightens: how far the T1ce lies below ``y'``, where it does, is noise, and noise is as
        large on both sides. More can be had only by taking noise away; what else differs between
        the scans counts as noise.
    inside, outside
        Error in the enhancing voxels, and in the rest of the mask, over the T1ce's there.
    left
        Mean of ``s - y'`` in the enhancing voxels, in units of bright tissue: what of the
        enhancement is left; negative where too much was taken.
    bias, bias_csf, bias_gm, bias_wm
        Mean of ``s - y'`` in the mask, and in each tissue, in units of bright tissue.
    sharpness
        Gradient energy over the T1ce's, more than two voxels from enhancing ones, of images
        smoothed by :data:`SMOOTHING` among those voxels. 1: as sharp; below: blurred; above: edges
        added, or contrast between tissues.

    Notes
    -----
    A measure that divides by nothing (no enhancing voxel, say) is NaN.
    """

    total: float
    oracle: float
    share: float
    attainable: float
    inside: float
    outside: float
    left: float
    bias: float
    bias_csf: float
    bias_gm: float
    bias_wm: float
    sharpness: float


def prepare_smooth_pair(
    t1ce: np.ndarray, t1nce: np.ndarray, brain: np.ndarray | None = None
) -> SmoothPair:
    """Fit the T1nce of a real pair to its T1ce, and find what gadolinium changed.

    Parameters
    ----------
    t1ce, t1nce
        Volumes on one grid, each in its own units.
    brain
        Boolean mask of the brain, not eroded; None for skull-stripped images: where both
        exceed 0.

    Raises
    ------
    ImageError
        If shapes differ, voxels are not finite, or fewer than 1000 voxels are tissue in both.
    """
    check_grids(t1ce=t1ce, t1nce=t1nce)
    if brain is None:
        brain = (t1ce > 0) & (t1nce > 0)
    check_grids(t1ce=t1ce, brain=brain)
    unit, reference_unit = _bright_level(t1ce, brain), _bright_level(t1nce, brain)
    mask = ndimage.binary_erosion(brain) & (t1nce > DARK * reference_unit)
    box = nonzero_box(mask)
    mask = mask[box]
    x = (t1ce[box] / unit).astype(np.float32)
    fit = smooth_fit(x, (t1nce[box] / reference_unit).astype(np.float32), mask)
    enhancing = mask & (x - fit.fitted > ENHANCING * fit.deviation)
    tissues = classify_tissues(fit.fitted, mask)
    return SmoothPair(x, fit.fitted, mask, enhancing, tissues, box, t1ce.shape, unit)


def measure_smooth_recovery(pair: SmoothPair, synthetic: np.ndarray) -> SmoothMeasures:
    """Measure a synthetic image against a prepared pair.

    Parameters
    ----------
    pair
        Pair of :func:`prepare_smooth_pair`, prepared once for any number of synthetic images.
    synthetic
        Synthetic image on the same grid, in the T1ce's units.

    Raises
    ------
    ImageError
        If the shape differs, or voxels are not finite.
    """
    image = pair.scaled(synthetic)
    inside, rest = pair.enhancing, pair.mask & ~pair.enhancing
    before, difference = pair.t1ce - pair.fitted, image - pair.fitted
    error = _mean_in(np.abs(before), pair.mask)
    total = ratio(_mean_in(np.abs(difference), pair.mask), error)
    oracle = ratio(_mean_in(np.where(pair.enhancing, 0, np.abs(before)), pair.mask), error)
    noise = ratio(_mean_in(-before, pair.mask & (before < 0)), error)

    def relative_error(where: np.ndarray) -> float:
        return ratio(_mean_in(np.abs(difference), where), _mean_in(np.abs(before), where))

    return SmoothMeasures(
        total=total,
        oracle=oracle,
        share=ratio(1 - total, 1 - oracle),
        attainable=ratio(1 - noise, 1 - oracle),
        inside=relative_error(inside),
        outside=relative_error(rest),
        left=_mean_in(difference, inside),
        bias=_mean_in(difference, pair.mask),
        **{
            f"bias_{name}": _mean_in(difference, pair.tissues == label)
            for label, name in enumerate(CLASSES, start=1)
        },
        sharpness=_sharpness(image, pair),
    )


def classify_tissues(volume: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Divide a T1nce into CSF, gray and white matter by intensity alone.

    A mixture of three Gaussians is fitted to the voxels of the mask, or 50,000 of them, and each
    voxel goes to the likeliest; the receive field is the ratio to the mean of the voxel's tissue,
    smoothed by a Gaussian of 20 voxels, and is taken out; three times in turn (after Wells et al.
    1996). It needs no registration and serves to average over, not to measure volumes: edema
    is taken for gray matter or CSF.

    Parameters
    ----------
    volume
        T1nce in any units.
    mask
        Boolean volume of the same shape: the brain.

    Returns
    -------
    numpy.ndarray
        Label map, uint8: 1 CSF, 2 gray matter, 3 white matter, from dark to bright; 0 outside the
        mask.
    """
    labels = np.zeros(mask.shape, np.uint8)
    values = volume[mask].astype(np.float64)
    field = np.ones_like(values)
    for _ in range(_ROUNDS):
        labels[mask], means = _three_classes(values / field)
        field = _smooth_ratio(volume, means[labels], mask)[mask]
    labels[mask], _ = _three_classes(values / field)
    return labels


def _three_classes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the label of each value, from 1, and the mean of each label, with 0 for label 0."""
    from skimage.filters import threshold_multiotsu
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(0)
    sample = rng.choice(values, min(len(values), _SAMPLE), replace=False)
    if np.unique(sample).size < len(CLASSES):
        return np.ones(values.shape, np.intp), np.full(1 + len(CLASSES), values.mean())
    # Starting from Otsu's classes: the same in every run, in the order of the labels.
    start = np.digitize(sample, threshold_multiotsu(sample, len(CLASSES)))
    parts = [sample[start == label] for label in range(len(CLASSES))]
    floor = 1e-6 * float(sample.var())
    model = GaussianMixture(
        len(CLASSES),
        weights_init=[len(part) / len(sample) for part in parts],
        means_init=[[part.mean()] for part in parts],
        precisions_init=[[[1 / (part.var() + floor)]] for part in parts],
        reg_covar=floor,
        max_iter=200,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(sample[:, None])
    order = np.argsort(model.means_[:, 0])
    labels = 1 + np.argsort(order)[model.predict(values[:, None])]
    return labels, np.concatenate([[0], model.means_[order, 0]])


def _smooth_ratio(volume: np.ndarray, expected: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Divide a volume by what is expected of it, both smoothed in the mask."""
    # On every fourth voxel: the field is smooth.
    coarse = tuple(slice(None, None, _STEP) for _ in mask.shape)
    found, wanted = (
        ndimage.gaussian_filter(np.where(mask, v, 0)[coarse].astype(np.float64), _FIELD / _STEP)
        for v in (volume, expected)
    )
    field = np.divide(found, wanted, out=np.ones_like(found), where=wanted > 0)
    places = [np.arange(side) / _STEP for side in mask.shape]
    grid = np.meshgrid(*places, indexing="ij", sparse=False)
    fine: np.ndarray = ndimage.map_coordinates(field, grid, order=1, mode="nearest")
    return fine


def _sharpness(image: np.ndarray, pair: SmoothPair) -> float:
    far = pair.mask & ~ndimage.binary_dilation(pair.enhancing, iterations=FAR)
    weight = ndimage.gaussian_filter(far.astype(np.float32), SMOOTHING)

    def smoothed(volume: np.ndarray) -> np.ndarray:
        # A mean of far voxels only: neither vessels nor the air reach into it.
        blurred = ndimage.gaussian_filter(np.where(far, volume, 0), SMOOTHING)
        return np.divide(blurred, weight, out=np.zeros_like(blurred), where=weight > 0)

    # What lies beside a voxel that is not far was smoothed from one side.
    inner = ndimage.binary_erosion(far)
    return ratio(
        gradient_energy(smoothed(image), inner), gradient_energy(smoothed(pair.t1ce), inner)
    )


def _bright_level(volume: np.ndarray, brain: np.ndarray) -> float:
    values = volume[brain & (volume > 0)]
    if values.size == 0:
        raise ImageError("no voxel of the brain exceeds 0; check the image and the mask")
    return float(np.percentile(values, BRIGHT))


def _mean_in(volume: np.ndarray, where: np.ndarray) -> float:
    return float(volume[where].mean(dtype=np.float64)) if where.any() else float("nan")
