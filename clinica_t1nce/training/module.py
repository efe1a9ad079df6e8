"""The Lightning module: loss, optimiser, running average of the weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from clinica_t1nce.training.data import Batch


@dataclass(frozen=True)
class Optimisation:
    """How a generator is optimised.

    Attributes
    ----------
    steps
        Optimiser steps in all; the learning rate falls along a cosine to `final_rate` of its start.
    rate, beta2, clip
        AdamW's learning rate and second beta; norm to which gradients are clipped.
    average
        Decay of the running average of the weights, which is what is kept.
    enhancing_weight, enhancing_above
        Voxels whose true enhancement exceeds `enhancing_above` (units of white matter) count
        ``1 + enhancing_weight`` times.
    """

    steps: int
    rate: float = 1e-3
    final_rate: float = 0.02
    warm_up: int = 100
    beta2: float = 0.98
    clip: float = 0.5
    average: float = 0.99
    enhancing_weight: float = 4.0
    enhancing_above: float = 0.06


class GeneratorTraining(LightningModule):
    """Train a generator on pairs, with L1 inside the mask.

    Parameters
    ----------
    network
        N x 1 x D x H x W to the same shape.
    output
        ``"change"``: the network gives the enhancement; ``"image"``: the T1nce.
    optimisation
        Rates and weights.
    """

    def __init__(self, network: nn.Module, output: str, optimisation: Optimisation):
        super().__init__()
        self.network = network
        self.average = AveragedModel(
            network, multi_avg_fn=get_ema_multi_avg_fn(optimisation.average), use_buffers=True
        )
        self.output = output
        self.optimisation = optimisation

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """Return the loss of one batch."""
        loss = self._loss(self.network, batch)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} at step {self.global_step}")
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        """Log the loss of the averaged weights."""
        self.log("validation_loss", self._loss(self.average, batch), prog_bar=True)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, and let the running average follow before any checkpoint is written."""
        super().optimizer_step(*args, **kwargs)
        self.average.update_parameters(self.network)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW, linear warm-up, cosine."""
        o = self.optimisation
        optimiser = torch.optim.AdamW(self.network.parameters(), lr=o.rate, betas=(0.9, o.beta2))

        def factor(step: int) -> float:
            progress = min(1.0, step / o.steps)
            cosine = o.final_rate + (1 - o.final_rate) * 0.5 * (1 + math.cos(math.pi * progress))
            return min(1.0, (step + 1) / o.warm_up) * cosine

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        t1ce, enhancement = batch["t1ce"], batch["enhancement"]
        target = enhancement if self.output == "change" else t1ce - enhancement
        t1ce = t1ce.contiguous(memory_format=torch.channels_last_3d)
        quantiles = getattr(self.network, "quantiles", (0.5,))
        error = pinball(network(t1ce).float(), target, quantiles)
        o = self.optimisation
        weight = 1 + o.enhancing_weight * (enhancement > o.enhancing_above)
        weight = weight * batch["mask"]
        return (error * weight).sum() / weight.sum()


def pinball(
    predicted: torch.Tensor, target: torch.Tensor, quantiles: Sequence[float]
) -> torch.Tensor:
    """Give the loss of which quantiles are the minimum; for the median alone it is L1.

    Parameters
    ----------
    predicted
        N x Q x D x H x W, one channel a quantile.
    target
        N x 1 x D x H x W.
    quantiles
        Q probabilities in (0, 1).

    Returns
    -------
    torch.Tensor
        N x 1 x D x H x W: the mean over the quantiles of ``2 max(q d, (q - 1) d)`` with
        ``d = target - predicted`` (Koenker and Bassett, Econometrica 1978).
    """
    q = torch.tensor(quantiles, device=target.device).view(1, -1, 1, 1, 1)
    d = target - predicted
    return (2 * torch.maximum(q * d, (q - 1) * d)).mean(dim=1, keepdim=True)
