"""Losses, each a function of tensors, and how near images come to real ones meanwhile."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch.nn import functional as F

from clinica_t1nce.training.data.fitted_pairs import ENHANCING
from clinica_t1nce.training.data.numbered import Batch

# Wang et al., "Multi-scale structural similarity", 2003: weights of the scales, finest first.
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
LOCAL_SIDES = (3, 6, 12)
"""Sides in voxels (mm) of the blocks in which images are compared: a sulcus to a gyrus."""

DISTRIBUTION_SIDES = (4, 8)
"""Sides of the blocks in which distributions are compared: small ones know where, large ones have
enough voxels for a distribution."""

_FILLED = 1 / 3
_ENHANCING = 1 / 5
TISSUES = ("csf", "gm", "wm")
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def pinball(
    predicted: torch.Tensor, target: torch.Tensor, quantiles: Sequence[float]
) -> torch.Tensor:
    """Return the loss of which quantiles are the minimum; for the median alone it is L1.

    Parameters
    ----------
    predicted
        Predictions, N x Q x D x H x W, one channel a quantile.
    target
        Truth, N x 1 x D x H x W.
    quantiles
        Probabilities in (0, 1), Q of them.

    Returns
    -------
    torch.Tensor
        N x 1 x D x H x W: the mean over the quantiles of ``2 max(q d, (q - 1) d)`` with
        ``d = target - predicted`` (Koenker and Bassett, Econometrica 1978).
    """
    q = torch.tensor(quantiles, device=target.device).view(1, -1, 1, 1, 1)
    d = target - predicted
    return (2 * torch.maximum(q * d, (q - 1) * d)).mean(dim=1, keepdim=True)


def robust(difference: torch.Tensor, scale: float) -> torch.Tensor:
    """Return the Huber error over its scale: near the absolute error where that is large.

    The least absolute error is a median, which hangs back where little enhances among much noise;
    the least squared error is a mean, on which a few large errors pull. Huber's is in between
    (Huber, Annals of Mathematical Statistics 1964).

    Parameters
    ----------
    difference
        Difference of intensities with white matter = 1, of any shape.
    scale
        Difference from which on it counts linearly; 0: the absolute error.

    Returns
    -------
    torch.Tensor
        The same shape.
    """
    if scale == 0:
        return difference.abs()
    return F.huber_loss(difference, torch.zeros_like(difference), "none", scale) / scale


def part_noise(
    difference: torch.Tensor, mask: torch.Tensor, above: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find what is to be removed, given the difference of two scans that have noise of their own.

    Where the mean over 3 voxels a side shows enhancement, and one voxel around, that is the
    difference. Elsewhere it is nothing: else a network would learn to remove the T1ce's noise,
    which blurs the image. What is faint and widespread is left to :func:`local_means`.

    Parameters
    ----------
    difference
        T1ce minus fitted T1nce, N x 1 x D x H x W, white matter = 1.
    mask
        Boolean mask of the same shape: voxels in which both are known.
    above
        Mean from which on a voxel enhances; more, if the noise asks for it.

    Returns
    -------
    target : torch.Tensor
        Enhancement to be removed.
    enhancing : torch.Tensor
        Boolean mask of where it is the difference itself.
    """
    known = mask.float()
    total, counted = (
        F.avg_pool3d(volume, 3, stride=1, padding=1) for volume in (difference * known, known)
    )
    near = total / counted.clamp(min=1e-6)
    # Three standard deviations of the mean of 27 voxels.
    noise = 1.4826 * difference[mask].abs().median() if mask.any() else difference.new_zeros(())
    enhancing = mask & (near > torch.clamp(3 * noise / 27**0.5, min=above))
    enhancing = mask & (F.max_pool3d(enhancing.float(), 3, stride=1, padding=1) > 0)
    return difference * enhancing, enhancing


def local_means(
    difference: torch.Tensor, mask: torch.Tensor, sides: Sequence[int] = LOCAL_SIDES
) -> torch.Tensor:
    """Return the mean absolute value of the means of a difference over blocks.

    Noise averages out in a block, what is removed too little or too much stays.

    Parameters
    ----------
    difference
        Difference of two volumes, N x 1 x D x H x W.
    mask
        Boolean mask of the same shape: voxels that count. Of a block, a third has to.
    sides
        Sides of the blocks in voxels.

    Returns
    -------
    torch.Tensor
        Scalar, 0 or more.
    """
    total = difference.new_zeros(())
    for side in sides:
        weight = _blocks(mask.float(), side).mean(-1)
        mean = _blocks(difference * mask, side).mean(-1) / weight.clamp(min=_FILLED)
        total = total + _mean_where(mean.abs(), weight)
    return total / len(sides)


def local_distributions(
    image: torch.Tensor,
    target: torch.Tensor,
    where: torch.Tensor,
    mask: torch.Tensor,
    sides: Sequence[int] = DISTRIBUTION_SIDES,
) -> torch.Tensor:
    """Return the mean distance between the distributions of intensities in blocks.

    Where a network cannot know whether fluid or cortex lies under a vessel, the error of voxels is
    smallest for an intensity in between, which a segmentation takes for cortex throughout. The
    distance of distributions (Wasserstein's first: that of the sorted values) is small only where
    as many voxels are dark as in the target, wherever in the block they lie.

    Parameters
    ----------
    image, target
        Images, N x 1 x D x H x W, white matter = 1.
    where
        Boolean mask of enhancing voxels; blocks without one in five are left out.
    mask
        Boolean mask of what counts; blocks with voxels outside are left out.
    sides
        Sides of the blocks in voxels.

    Returns
    -------
    torch.Tensor
        Scalar, 0 or more.
    """
    total = image.new_zeros(())
    for side in sides:
        filled = _blocks(mask.float(), side).amin(-1) > 0
        wanted = filled & (_blocks(where.float(), side).mean(-1) >= _ENHANCING)
        if wanted.any():
            found, real = (
                _blocks(volume, side)[wanted].sort(-1).values for volume in (image, target)
            )
            total = total + (found - real).abs().mean()
    return total / len(sides)


def _blocks(x: torch.Tensor, side: int) -> torch.Tensor:
    """Cut N x 1 x D x H x W into cubes, N x blocks x voxels; what is left over is dropped."""
    n, _, *shape = x.shape
    d, h, w = (length // side for length in shape)
    x = x[:, 0, : d * side, : h * side, : w * side]
    x = x.reshape(n, d, side, h, side, w, side).permute(0, 1, 3, 5, 2, 4, 6)
    return x.reshape(n, d * h * w, side**3)


def _mean_where(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    counted = (weight >= _FILLED).float() * weight
    return (values * counted).sum() / counted.sum().clamp(min=1)


def smoothed(x: torch.Tensor, sigmas: Sequence[float]) -> torch.Tensor:
    """Blur with a Gaussian along each of the last three axes; gradients flow.

    `sigmas` are three standard deviations in voxels; 0 leaves an axis as it is.
    """
    for axis, sigma in enumerate(sigmas):
        if sigma > 0:
            place = torch.arange(x.shape[axis - 3], device=x.device, dtype=x.dtype)
            weights = torch.exp(-((place[:, None] - place) ** 2) / (2 * sigma**2))
            weights = weights / weights.sum(0, keepdim=True)
            x = (x.transpose(axis - 3, -1) @ weights).transpose(axis - 3, -1)
    return x


def soft_labels(
    size: int, generator: torch.Generator, device: torch.device | str = "cpu"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw the paper's labels: real from 0 to 0.3, synthetic from 0.7 to 1.

    Parameters
    ----------
    size
        Number N of samples of a batch; all patches of a sample share its labels.
    generator
        Random generator of the CPU.
    device
        Device of the labels.

    Returns
    -------
    real, synthetic : torch.Tensor
        N x 1, float32, uniform. Low means real.
    """
    real = 0.3 * torch.rand((size, 1), generator=generator)
    synthetic = 0.7 + 0.3 * torch.rand((size, 1), generator=generator)
    return real.to(device), synthetic.to(device)


def lsgan_loss(scores: torch.Tensor, labels: torch.Tensor | float) -> torch.Tensor:
    """Return the mean squared distance of scores, N x P, from labels (LSGAN, Mao et al. 2017)."""
    return ((scores.float() - labels) ** 2).mean()


def dissimilarity(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return 1 minus the multi-scale structural similarity.

    The loss of Zhao et al., "Loss functions for image restoration with neural networks", 2016,
    section III: like a perceptual loss on features it sees structure and not voxels, but needs
    no network that was trained on photographs. As many of the five scales are used as the
    volume is large enough for, with their weights scaled to a sum of 1.

    Parameters
    ----------
    image, target
        Images, N x 1 x D x H x W, sides of at least 11; contrasts of about 1.

    Returns
    -------
    torch.Tensor
        Scalar, 0 of equal images, at most 1.

    Raises
    ------
    ValueError
        If a side is shorter than 11.
    """
    smallest = min(image.shape[2:])
    if smallest < _WINDOW:
        raise ValueError(f"a side of {smallest} voxels is shorter than the window of {_WINDOW}")
    weights = [weight for n, weight in enumerate(_SCALES) if smallest // 2**n >= _WINDOW]
    similarity = torch.ones(len(image), device=image.device)
    x, y = image.float(), target.float()
    for n, weight in enumerate(weights, start=1):
        whole, structure = ssim_and_structure(x, y)
        # Below 0, where a power has no value, the images have nothing in common.
        factor = (whole if n == len(weights) else structure).clamp(min=0)
        similarity = similarity * factor ** (weight / sum(weights))
        x, y = F.avg_pool3d(x, 2), F.avg_pool3d(y, 2)
    return 1 - similarity.mean()


def ssim_and_structure(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each sample's SSIM, and that without its luminance term.

    Parameters
    ----------
    x, y
        Volumes, N x 1 x D x H x W, in units of their range, no side below the window's 11 voxels.

    Returns
    -------
    ssim, structure : Tensor
        Mean over each volume, N (Wang et al., IEEE TIP 2004; Gaussian window).
    """
    mean_x, mean_y, xx, yy, xy = (_window(m) for m in (x, y, x * x, y * y, x * y))
    both = 2 * mean_x * mean_y
    squares = mean_x**2 + mean_y**2
    structure = (2 * xy - both + _C2) / (xx + yy - squares + _C2)
    luminance = (both + _C1) / (squares + _C1)
    return (luminance * structure).flatten(1).mean(1), structure.flatten(1).mean(1)


def _window(x: torch.Tensor) -> torch.Tensor:
    """Average under a Gaussian window, where all of it lies inside the volume."""
    place = torch.arange(_WINDOW, device=x.device) - _WINDOW // 2
    kernel = torch.exp(-(place**2) / (2 * _SIGMA**2))
    kernel = kernel / kernel.sum()
    for axis in range(3):
        # One axis after the other: 40 times less work than the window as a cube.
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = _WINDOW
        x = F.conv3d(x, kernel.view(shape))
    return x


def compare_fitted(image: torch.Tensor, batch: Batch) -> Mapping[str, torch.Tensor]:
    """Compare one synthetic image with the fitted T1nce.

    Parameters
    ----------
    image
        Synthetic T1nce, 1 x 1 x D x H x W, scaled.
    batch
        Whole pair, from :class:`clinica_t1nce.training.data.real.RealVolumes`.

    Returns
    -------
    dict
        ``total``: mean absolute error over that of the T1ce; ``inside`` and ``outside``: the same
        in the enhancing voxels and in the others; ``mean_csf``, ``mean_gm``, ``mean_wm``: mean of
        ``image - T1nce`` in a tissue, white matter = 1; ``volume_csf``, ``volume_gm``,
        ``volume_wm``: by how much more voxels have the intensities of a tissue than in the T1nce,
        as a fraction. Tissues are parted by two thresholds of the T1nce (Otsu).
    """
    from skimage.filters import threshold_multiotsu

    mask = batch["mask"][0, 0].cpu().numpy()
    x, y, s = (
        volume[0, 0].float().cpu().numpy()[mask]
        for volume in (batch["t1ce"], batch["t1nce"], image)
    )
    enhancing = x - y > ENHANCING * float(batch["deviation"])
    before, after = np.abs(x - y), np.abs(s - y)
    found = {
        "total": _ratio(after, before),
        "inside": _ratio(after[enhancing], before[enhancing]),
        "outside": _ratio(after[~enhancing], before[~enhancing]),
    }
    # A few voxels far above would leave no bins for tissue.
    thresholds = threshold_multiotsu(np.minimum(y, np.percentile(y, 99)), classes=3)
    tissue, made = np.digitize(y, thresholds), np.digitize(s, thresholds)
    for number, name in enumerate(TISSUES):
        own = tissue == number
        found[f"mean_{name}"] = _mean((s - y)[own])
        found[f"volume_{name}"] = float((made == number).sum()) / max(int(own.sum()), 1) - 1
    return {name: torch.tensor(value) for name, value in found.items()}


def _ratio(after: np.ndarray, before: np.ndarray) -> float:
    whole = float(before.sum(dtype=np.float64))
    return float(after.sum(dtype=np.float64)) / whole if whole else float("nan")


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else float("nan")
