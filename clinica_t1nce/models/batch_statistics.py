"""Batch norm that takes the statistics of what it is shown, at inference too.

The figures of Bottani et al. were made so: their code never leaves the training mode. Weights
whose card has ``"batch_statistics": true`` under ``inference`` are loaded with it.
"""

import torch
from torch import nn


class BatchStatisticsNorm(nn.BatchNorm3d):
    """Batch norm whose running statistics are kept and trained, and never used."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Norm with the mean and variance of `input`, N x C x D x H x W."""
        if self.training:
            return super().forward(input)
        # Not batch_norm's own statistics: on the CPU, in channels-last layout, these are plain
        # float32 sums, wrong by 1e-3 on 128³ voxels, which a network can turn into anything.
        variance, mean = torch.var_mean(input, dim=(0, 2, 3, 4), correction=0)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        per_channel = (-1, 1, 1, 1)
        centred = input - mean.view(per_channel)
        return torch.addcmul(self.bias.view(per_channel), centred, scale.view(per_channel))


def has_batch_norm(module: nn.Module) -> bool:
    """Say whether batch statistics would make a difference.

    Parameters
    ----------
    module
        A network.

    Returns
    -------
    bool
    """
    return any(isinstance(part, nn.BatchNorm3d) for part in module.modules())


def use_batch_statistics(module: nn.Module) -> nn.Module:
    """Turn each batch norm, in place, into one that takes the statistics of its input.

    Parameters and buffers stay what they are.

    Parameters
    ----------
    module
        A network, with or without batch norm.

    Returns
    -------
    torch.nn.Module
        `module` itself.
    """
    for part in module.modules():
        if type(part) is nn.BatchNorm3d:
            part.__class__ = BatchStatisticsNorm
    return module
