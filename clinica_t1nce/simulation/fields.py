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
        Shape of the field, D, H, W.
    spacing
        Distance of the B-spline's nodes, in voxels: blobs are about twice as wide.
    random
        Random generator; its device is the field's.
    channels
        Number of independent fields, stacked first; None: one, not stacked.

    Returns
    -------
    torch.Tensor
        D x H x W, or channels x D x H x W; twice differentiable, so that its level sets are smooth.
    """
    device = random.device
    weights = _spline_weights(shape, spacing, torch.rand(3, generator=random, device=device))
    nodes = torch.randn(
        channels or 1, *(w.shape[1] for w in weights), generator=random, device=device
    )
    field = _apply([weights[0] * _SPLINE_GAIN, *weights[1:]], nodes)
    return field if channels else field[0]


def _apply(matrices: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Multiply each of the three axes of channels x D x H x W by its matrix."""
    first, second, third = matrices
    x = second @ (x @ third.T)
    return (first @ x.flatten(2)).view(len(x), len(first), len(second), len(third))


def stretch(x: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Interpolate channels x D x H x W linearly to another shape; the corners stay corners.

    Several times faster on a CPU than ``torch.nn.functional.interpolate``.
    """
    matrices = []
    for n, new in zip(x.shape[1:], shape, strict=True):
        position = torch.arange(new, device=x.device) * ((n - 1) / max(new - 1, 1))
        nodes = torch.arange(n, device=x.device)
        matrices.append((1 - (position[:, None] - nodes).abs()).clamp_min(0))
    return _apply(matrices, x)


def _spline_weights(
    shape: Sequence[int], spacing: float, phases: torch.Tensor
) -> list[torch.Tensor]:
    """Cubic B-spline interpolation from nodes to voxels, an n x nodes matrix for each axis."""
    n = max(shape)
    position = torch.arange(n, device=phases.device) / spacing + phases[:, None]
    nodes = torch.arange(int((n - 1) / spacing) + 5, device=phases.device)
    t = (position[:, :, None] + 1 - nodes).abs_()
    near = t.square().mul_(0.5 * t - 1).add_(2 / 3)
    far = (2 - t).clamp_min_(0).pow_(3).div_(6)
    weights = torch.where(t < 1, near, far)
    return [
        axis[:side, : int((side - 1) / spacing) + 5]
        for axis, side in zip(weights, shape, strict=True)
    ]


def patches(
    shape: Sequence[int], spacing: float, level: float, sharpness: float, random: torch.Generator
) -> torch.Tensor:
    """Draw soft patches in 0..1: the smooth noise pushed through a sigmoid at `level`."""
    return torch.sigmoid((smooth_noise(shape, spacing, random) + level) * sharpness)


def sliced(x: torch.Tensor, axis: int, thickness: float) -> torch.Tensor:
    """Average channels x D x H x W over slices along one axis, interpolated back to the grid."""
    shape = list(x.shape[1:])
    sigmas, slices = [0.0, 0.0, 0.0], [*shape]
    sigmas[axis] = 0.42 * thickness
    slices[axis] = max(4, int(shape[axis] / thickness))
    return stretch(stretch(blur(x, sigmas), slices), shape)


def soft_step(distance: torch.Tensor, width: float) -> torch.Tensor:
    """Go from 0 (distance far below 0) to 1 (far above), over about `width` voxels."""
    return torch.sigmoid(distance / width)


def distance_to_zero(field: torch.Tensor) -> torch.Tensor:
    """Signed distance, in voxels, to where `field` is zero, to first order."""
    first, second, third = torch.gradient(field)
    steepness = first.square_().addcmul_(second, second).addcmul_(third, third)
    return field * steepness.add_(1e-6).rsqrt_()


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
