"""Random fields and filters that the effects are made of, on D x H x W tensors."""

import math
from collections.abc import Sequence

import torch

# White noise on the nodes of a cubic B-spline keeps 151/315 of its variance along each axis.
_SPLINE_GAIN = (315 / 151) ** 1.5


def generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a random generator on `device` that starts at `seed`."""
    return torch.Generator(device).manual_seed(seed)


def smooth_noise(
    shape: Sequence[int], spacing: float, random: torch.Generator, channels: int | None = None
) -> torch.Tensor:
    """Draw smooth Gaussian noise of mean 0 and standard deviation 1.

    Parameters
    ----------
    shape
        D, H, W of the field.
    spacing
        Distance of the B-spline's nodes, in voxels: blobs are about twice as wide.
    random
        Source of the numbers; its device is the field's.
    channels
        Draw that many independent fields, stacked first.

    Returns
    -------
    torch.Tensor
        D x H x W, or channels x D x H x W; twice differentiable, so that its level sets are smooth.
    """
    device = random.device
    phases = torch.rand(3, generator=random, device=device).tolist()
    weights = [
        _spline_weights(n, spacing, phase, device) for n, phase in zip(shape, phases, strict=True)
    ]
    nodes = torch.randn(
        channels or 1, *(w.shape[1] for w in weights), generator=random, device=device
    )
    field = torch.einsum("cxyz,kz->cxyk", nodes, weights[2])
    field = torch.einsum("cxyk,jy->cxjk", field, weights[1])
    field = torch.einsum("cxjk,ix->cijk", field, weights[0]) * _SPLINE_GAIN
    return field if channels else field[0]


def _spline_weights(n: int, spacing: float, phase: float, device: torch.device) -> torch.Tensor:
    """Cubic B-spline interpolation from nodes to n voxels, as an n x nodes matrix."""
    position = torch.arange(n, device=device) / spacing + phase
    nodes = torch.arange(int((n - 1) / spacing + phase) + 4, device=device)
    t = (position[:, None] + 1 - nodes).abs()
    near = 2 / 3 - t.square() + t**3 / 2
    far = (2 - t).clamp_min(0) ** 3 / 6
    return torch.where(t < 1, near, far)


def patches(
    shape: Sequence[int], spacing: float, level: float, sharpness: float, random: torch.Generator
) -> torch.Tensor:
    """Draw soft patches in 0..1: the smooth noise pushed through a sigmoid at `level`."""
    return torch.sigmoid((smooth_noise(shape, spacing, random) + level) * sharpness)


def soft_step(distance: torch.Tensor, width: float) -> torch.Tensor:
    """Go from 0 (distance far below 0) to 1 (far above), over about `width` voxels."""
    return torch.sigmoid(distance / width)


def distance_to_zero(field: torch.Tensor) -> torch.Tensor:
    """Signed distance, in voxels, to where `field` is zero, to first order."""
    steepness = torch.stack(torch.gradient(field)).square().sum(0)
    return field / torch.sqrt(steepness + 1e-6)


def blur(x: torch.Tensor, sigmas: Sequence[float]) -> torch.Tensor:
    """Gaussian blur with a standard deviation in voxels for each of the last three axes.

    Below 0.15 voxels an axis is left as it is. Borders are mirrored by repeating the edge.
    """
    for axis, sigma in enumerate(sigmas):
        if sigma >= 0.15:
            radius = max(1, math.ceil(2.5 * sigma))
            offsets = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
            kernel = torch.exp(-offsets.square() / (2 * sigma * sigma))
            x = _correlate(x, kernel / kernel.sum(), axis - 3)
    return x


def _correlate(x: torch.Tensor, kernel: torch.Tensor, axis: int) -> torch.Tensor:
    radius = len(kernel) // 2
    n = x.shape[axis]
    # Shifted sums: for these few taps faster on a CPU than a three-dimensional convolution.
    index = torch.arange(-radius, n + radius, device=x.device).clamp(0, n - 1)
    padded = x.index_select(axis, index)
    out = kernel[radius] * x
    for k in range(len(kernel)):
        if k != radius:
            out = out.add(padded.narrow(axis, k, n), alpha=float(kernel[k]))
    return out
