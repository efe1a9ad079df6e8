"""What every training is made of, and the training of a generator alone."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from clinica_t1nce.models.cards import Inference
from clinica_t1nce.synthesis.decode import decode, fade_small
from clinica_t1nce.training.data.numbered import Batch, seed_of
from clinica_t1nce.training.modules.losses import (
    compare_fitted,
    dissimilarity,
    local_distributions,
    local_means,
    part_noise,
    pinball,
    robust,
    smoothed,
)

_SLOPE = 0.05
"""Weight of what a network takes away below 0, which the bound hides: else it could not learn to
come back."""

_FLAT = 5e-4
"""Standard deviation, in units of white matter, below which an output says nothing."""


@dataclass(frozen=True)
class Optimisation:
    """How a generator is optimised.

    Attributes
    ----------
    steps
        Number of optimiser steps; None: as many as `epochs` make.
    epochs
        Number of times that each pair is seen; of an endless source there are none.
    rate, beta1, beta2, decay, clip
        AdamW's learning rate, betas and weight decay (without decay it is Adam); norm to which
        gradients are clipped, or None.
    warm_up, final_rate
        Steps over which the learning rate rises, and the fraction of it to which it then falls
        along a cosine. 0 and 1: it is constant.
    average
        Decay of the running average of the weights, which is what is kept; 0: the weights
        themselves are.
    enhancing_weight, enhancing_above
        Weight, added to 1, of voxels whose true enhancement exceeds `enhancing_above` (units of
        white matter); of simulated pairs only of those inside the skull.
    adversarial, cycle, identity
        Weights of the discriminator's loss, and of CycleGAN's two other losses.
    perceptual
        Weight of :func:`~clinica_t1nce.training.modules.losses.dissimilarity`.
    robust_scale
        Scale of :func:`~clinica_t1nce.training.modules.losses.robust`, of real pairs, whose
        T1nce has noise of its own.
    local
        Weight of :func:`~clinica_t1nce.training.modules.losses.local_means`, of real pairs.
    distribution
        Weight of :func:`~clinica_t1nce.training.modules.losses.local_distributions`, of real pairs
        whose T1nce is as sharp as the T1ce.
    keep
        Weights that are kept: ``"last"``, or ``"best"``, those of the smallest validation loss,
        or, without validation, of the smallest mean training loss.
    patience
        Number of validations without a better one after which to stop; None: never.
    """

    steps: int | None = None
    epochs: int | None = None
    rate: float = 1e-3
    final_rate: float = 0.02
    warm_up: int = 100
    beta1: float = 0.9
    beta2: float = 0.98
    decay: float = 0.01
    clip: float | None = 0.5
    average: float = 0.99
    enhancing_weight: float = 4.0
    enhancing_above: float = 0.06
    adversarial: float = 1.0
    cycle: float = 10.0
    identity: float = 5.0
    perceptual: float = 0.0
    robust_scale: float = 0.05
    local: float = 0.5
    distribution: float = 0.0
    keep: str = "last"
    patience: int | None = None

    def optimiser(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        """Make the optimiser of some parameters."""
        return torch.optim.AdamW(
            parameters, lr=self.rate, betas=(self.beta1, self.beta2), weight_decay=self.decay
        )

    def schedule(self, optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LambdaLR:
        """Make its schedule, which is stepped after each of the optimiser's steps."""
        return torch.optim.lr_scheduler.LambdaLR(optimiser, self.factor)

    def factor(self, step: int) -> float:
        """Return the fraction of the learning rate at a step."""
        assert self.steps is not None
        progress = min(1.0, step / self.steps)
        cosine = self.final_rate + (1 - self.final_rate) * 0.5 * (1 + math.cos(math.pi * progress))
        return min(1.0, (step + 1) / max(self.warm_up, 1)) * cosine


class Training(LightningModule):
    """What the trainings have in common.

    Parameters
    ----------
    output
        Meaning of what the generator gives, ``"image"`` or ``"change"``: see :func:`make_t1nce`.
    optimisation
        Rates and weights.
    seed
        Seed of all that is drawn in the steps: step n draws the same in every run, whether it was
        interrupted or not.
    accumulate
        Number of batches whose gradients make one step.

    Attributes
    ----------
    optimisers : int
        Number of optimisers that step in each iteration; Lightning's global step counts them all.
    decisive : str
        Training loss that says which weights are best, where nothing is validated on.
    inference : Inference
        Options with which the kept weights will be used.
    """

    optimisers = 1
    decisive = "loss"
    inference = Inference()

    def __init__(self, output: str, optimisation: Optimisation, seed: int = 0, accumulate: int = 1):
        super().__init__()
        self.output = output
        self.optimisation = optimisation
        self.seed = seed
        self.accumulate = accumulate

    @property
    def iteration(self) -> int:
        """Steps done, each of all optimisers."""
        return self.global_step // self.optimisers

    @property
    def kept(self) -> nn.Module:
        """The generator whose weights are kept."""
        raise NotImplementedError

    @property
    def trained(self) -> Sequence[nn.Module]:
        """The networks that learn, those of each optimiser."""
        raise NotImplementedError

    def validation_losses(self, batch: Batch) -> Mapping[str, torch.Tensor]:
        """Measure on one batch; the first loss decides which weights are best."""
        raise NotImplementedError

    def synthetic(self, t1ce: torch.Tensor) -> torch.Tensor:
        """Make the T1nce as the kept weights do."""
        return make_t1nce(self.kept, t1ce, self.output)

    def as_written(self, t1ce: torch.Tensor) -> torch.Tensor:
        """Make the T1nce that synthesis would write with the kept weights, of a single view."""
        x = t1ce.contiguous(memory_format=torch.channels_last_3d)
        out = self.kept(x).float()
        quantiles = getattr(self.kept, "quantiles", (0.5,))
        change = decode(out, t1ce, self.output, quantiles, self.inference.quantile).change
        return t1ce - fade_small(change, self.inference.fade)

    def is_flat(self, batch: Batch) -> bool:
        """Say whether the kept weights give the same value in every voxel of a batch."""
        made = self.synthetic(batch["t1ce"])
        given = batch["t1ce"] - made if self.output == "change" else made
        return bool(given.float().std() < _FLAT)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed what the networks draw, such as dropout."""
        torch.manual_seed(self._seed(batch_idx))

    def random_generator(self, batch_idx: int) -> torch.Generator:
        """Return the random generator of one batch, apart from that of the networks."""
        return torch.Generator().manual_seed(self._seed(batch_idx) + 1)

    def _seed(self, batch_idx: int) -> int:
        return 2 * (seed_of(self.seed, batch_idx) * self.trainer.world_size + self.global_rank)

    def configure_optimizers(self) -> Any:
        """Return an optimiser and a schedule for each of the networks that learn."""
        optimisers = [self.optimisation.optimiser(part.parameters()) for part in self.trained]
        schedules = [self.optimisation.schedule(optimiser) for optimiser in optimisers]
        if not self.automatic_optimization:
            return optimisers, schedules
        schedule = {"scheduler": schedules[0], "interval": "step"}
        return {"optimizer": optimisers[0], "lr_scheduler": schedule}

    def both_optimisers(self) -> tuple[Any, Any]:
        """Return the two optimisers of a training that steps by hand."""
        first, second = cast(list, self.optimizers())
        return first, second

    def step_schedules(self) -> None:
        """Let the schedules of a training that steps by hand follow."""
        for schedule in cast(list, self.lr_schedulers()):
            schedule.step()

    def record(self, losses: Mapping[str, torch.Tensor]) -> None:
        """Log losses, and stop where one is no number.

        Raises
        ------
        FloatingPointError
            Naming loss and step.
        """
        for name, loss in losses.items():
            if not torch.isfinite(loss):
                raise FloatingPointError(f"{name} is {loss.item()} at step {self.iteration + 1}")
        self.log_dict({name: loss.detach() for name, loss in losses.items()})
        # Where TensorBoard draws them.
        self.log("step", float(self.iteration))


class GeneratorTraining(Training):
    """Train a generator on pairs, with L1 inside the mask.

    Parameters
    ----------
    network
        Generator, N x 1 x D x H x W to the same shape; with quantiles, to one channel each.
    output, optimisation, seed, accumulate
        Settings, as of :class:`Training`.
    """

    def __init__(
        self,
        network: nn.Module,
        output: str,
        optimisation: Optimisation,
        seed: int = 0,
        accumulate: int = 1,
    ):
        super().__init__(output, optimisation, seed, accumulate)
        self.network = network
        self.average = averaged(network, optimisation)

    @property
    def kept(self) -> nn.Module:
        """The running average, if there is one."""
        return self.network if self.average is None else self.average.module

    @property
    def trained(self) -> Sequence[nn.Module]:
        """The generator."""
        return [self.network]

    def training_step(self, batch: Batch, index: int) -> torch.Tensor | None:
        """Return the loss of one batch; None where steps are made by hand."""
        loss = self._loss(self.network, batch)
        self.record({"loss": loss})
        return loss

    def validation_losses(self, batch: Batch) -> Mapping[str, torch.Tensor]:
        """Measure the weights that are kept: on real pairs the images, else the loss."""
        if "deviation" in batch:
            return compare_fitted(self.as_written(batch["t1ce"]), batch)
        return {"loss": self._loss(self.kept, batch)}

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, and let the running average follow before any checkpoint is written."""
        super().optimizer_step(*args, **kwargs)
        if self.average is not None:
            self.average.update_parameters(self.network)

    def _loss(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        t1ce = batch["t1ce"].contiguous(memory_format=torch.channels_last_3d)
        return self.reconstruction(network(t1ce).float(), batch)

    def reconstruction(self, out: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the loss of what the network gave for a batch's T1ce."""
        loss = self._of_voxels(out, batch)
        if self.optimisation.perceptual:
            image = image_of(out, batch["t1ce"], self.output)
            loss = loss + self.optimisation.perceptual * dissimilarity(image, batch["t1nce"])
        return loss

    def _of_voxels(self, out: torch.Tensor, batch: Batch) -> torch.Tensor:
        if "noisy" not in batch:
            return self._of_twins(out, batch)
        noisy = batch["noisy"]
        losses = [
            loss(out[where], {key: value[where] for key, value in batch.items()}) * where.sum()
            for loss, where in ((self._of_scans, noisy), (self._of_twins, ~noisy))
            if where.any()
        ]
        return cast(torch.Tensor, sum(losses) / len(out))

    def _of_scans(self, out: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Give the loss on real pairs: two scans, each with its own noise, slices and field."""
        t1ce, t1nce, mask, o = batch["t1ce"], batch["t1nce"], batch["mask"], self.optimisation
        change = t1ce - image_of(out, t1ce, self.output)
        total = out.new_zeros(())
        for n, sigmas in enumerate(batch["blur"].tolist()):
            own, given = mask[n, None], (t1ce - t1nce)[n, None]
            target, enhancing = part_noise(given, own, o.enhancing_above)
            if max(sigmas) > 0:
                # The T1nce has thick slices: only along the others can the two be compared, and
                # the sharp T1ce still teaches.
                target = given
            difference, left = (
                smoothed(wanted - change[n, None], sigmas) for wanted in (target, given)
            )
            weight = (1 + o.enhancing_weight * enhancing) * own
            error = (robust(difference, o.robust_scale) * weight).sum() / weight.sum().clamp(min=1)
            total = total + error
            if o.local:
                total = total + o.local * local_means(left, own)
            if o.distribution and max(sigmas) == 0:
                made, real = (t1ce[n, None] - removed for removed in (change[n, None], target))
                total = total + o.distribution * local_distributions(made, real, enhancing, own)
            if self.output == "change":
                below = (-_middle(out)[n, None]).clamp(min=0) * own
                total = total + _SLOPE * below.sum() / own.sum().clamp(min=1)
        return total / len(out)

    def _of_twins(self, out: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Give the loss on pairs that differ by the enhancement alone."""
        t1ce, t1nce, o = batch["t1ce"], batch["t1nce"], self.optimisation
        enhancement = t1ce - t1nce
        target = enhancement if self.output == "change" else t1nce
        error = pinball(out, target, getattr(self.network, "quantiles", (0.5,)))
        enhancing = enhancement > o.enhancing_above
        # Muscle and fat may be enhanced or bright by nature: there, better to remove too little.
        enhancing = enhancing & batch.get("intracranial", enhancing)
        weight = (1 + o.enhancing_weight * enhancing) * batch["mask"]
        return (error * weight).sum() / weight.sum()


def averaged(network: nn.Module, optimisation: Optimisation) -> AveragedModel | None:
    """Make the running average of a network's weights, if one is wanted."""
    if not optimisation.average:
        return None
    follow = get_ema_multi_avg_fn(optimisation.average)
    return AveragedModel(network, multi_avg_fn=follow, use_buffers=True)


def make_t1nce(network: nn.Module, t1ce: torch.Tensor, output: str) -> torch.Tensor:
    """Make the T1nce with a generator.

    Parameters
    ----------
    network
        Generator.
    t1ce
        T1ce, N x 1 x D x H x W, scaled.
    output
        Meaning of what the network gives: ``"image"``, the T1nce; ``"change"``, what is to be
        taken away, of several quantiles the middle one.
    """
    return image_of(network(t1ce).float(), t1ce, output)


def image_of(out: torch.Tensor, t1ce: torch.Tensor, output: str) -> torch.Tensor:
    """Turn what a generator gave, N x Q x D x H x W, into the T1nce; see :func:`make_t1nce`."""
    middle = _middle(out)
    return middle if output == "image" else t1ce - decode(middle, t1ce, output).change


def _middle(out: torch.Tensor) -> torch.Tensor:
    return out[:, out.shape[1] // 2, None]
