"""The paper's cGANs: a generator and a discriminator against each other, after each alone.

Bottani et al., "Conditional GANs", equations 1 and 2, in the least-squares form that the text
names and the authors' code has. Low scores mean real.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from clinica_t1nce.models.patch_discriminator import PatchDiscriminator
from clinica_t1nce.training.data.numbered import Batch
from clinica_t1nce.training.modules.generator import (
    GeneratorTraining,
    Optimisation,
    Training,
    image_of,
    make_t1nce,
)
from clinica_t1nce.training.modules.losses import lsgan_loss, soft_labels

_MIDDLE_REAL, _MIDDLE_SYNTHETIC = 0.15, 0.85


class Labels(NamedTuple):
    """Labels that scores should have: N x 1, or one number for all."""

    real: torch.Tensor | float
    synthetic: torch.Tensor | float


def discriminator_loss(
    discriminator: PatchDiscriminator, image: torch.Tensor, batch: Batch, labels: Labels
) -> torch.Tensor:
    """Return the loss of equation 2 for a synthetic T1nce: the mean over real and synthetic."""
    real = lsgan_loss(discriminator.scores(batch["t1nce"], batch["t1ce"]), labels.real)
    fake = lsgan_loss(discriminator.scores(image, batch["t1ce"]), labels.synthetic)
    return 0.5 * (real + fake)


class DiscriminatorTraining(Training):
    """Train a discriminator on what a fixed generator makes.

    Parameters
    ----------
    generator
        Generator, which is left as it is, in evaluation mode.
    discriminator
        Discriminator to be trained.
    output, optimisation, seed, accumulate
        Settings, as of :class:`~clinica_t1nce.training.modules.generator.Training`.
    """

    decisive = "discriminator"

    def __init__(
        self,
        generator: nn.Module,
        discriminator: PatchDiscriminator,
        output: str,
        optimisation: Optimisation,
        seed: int = 0,
        accumulate: int = 1,
    ):
        super().__init__(output, optimisation, seed, accumulate)
        self.generator = generator.requires_grad_(False)
        self.discriminator = discriminator

    @property
    def kept(self) -> nn.Module:
        """The discriminator."""
        return self.discriminator

    @property
    def trained(self) -> Sequence[nn.Module]:
        """The discriminator."""
        return [self.discriminator]

    def synthetic(self, t1ce: torch.Tensor) -> torch.Tensor:
        """Make the T1nce that the discriminator is shown."""
        # Its batch norm must not follow, nor dropout blur it.
        self.generator.eval()
        with torch.no_grad():
            return make_t1nce(self.generator, t1ce, self.output)

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """Return the loss of one batch."""
        labels = Labels(*soft_labels(len(batch["t1ce"]), self.random_generator(index), self.device))
        image = self.synthetic(batch["t1ce"])
        loss = discriminator_loss(self.discriminator, image, batch, labels)
        self.record({"discriminator": loss})
        return loss

    def validation_losses(self, batch: Batch) -> Mapping[str, torch.Tensor]:
        """Measure the loss for labels in the middle of their ranges."""
        labels = Labels(_MIDDLE_REAL, _MIDDLE_SYNTHETIC)
        image = self.synthetic(batch["t1ce"])
        return {"discriminator": discriminator_loss(self.discriminator, image, batch, labels)}


class AdversarialTraining(GeneratorTraining):
    """Train both, the generator first in each step.

    Parameters
    ----------
    network
        Generator, trained before.
    discriminator
        Discriminator, trained before.
    output, optimisation, seed, accumulate
        Settings, as of :class:`~clinica_t1nce.training.modules.generator.GeneratorTraining`.
    """

    optimisers = 2

    def __init__(
        self,
        network: nn.Module,
        discriminator: PatchDiscriminator,
        output: str,
        optimisation: Optimisation,
        seed: int = 0,
        accumulate: int = 1,
    ):
        super().__init__(network, output, optimisation, seed, accumulate)
        self.discriminator = discriminator
        self.automatic_optimization = False
        self._waiting: list[tuple[Batch, Labels]] = []

    def training_step(self, batch: Batch, index: int) -> None:
        """Step on the generator, then on the discriminator with what it makes after its step.

        Batches whose gradients are accumulated wait until the generator has stepped.
        """
        labels = Labels(*soft_labels(len(batch["t1ce"]), self.random_generator(index), self.device))
        self._waiting.append((batch, labels))
        last = len(self._waiting) == self.accumulate
        generating, discriminating = self.both_optimisers()
        with turn_of(self, generating, step=last):
            losses = self.generator_losses(batch, labels)
            self.record(losses)
            total = losses["loss"] + self.optimisation.adversarial * losses["adversarial"]
            self.manual_backward(total / self.accumulate)
        if not last:
            return
        if self.average is not None:
            self.average.update_parameters(self.network)
        waiting, self._waiting = self._waiting, []
        with turn_of(self, discriminating, step=True):
            for one, of_one in waiting:
                with torch.no_grad():
                    image = make_t1nce(self.network, one["t1ce"], self.output)
                loss = discriminator_loss(self.discriminator, image, one, of_one)
                self.record({"discriminator": loss})
                self.manual_backward(loss / self.accumulate)
        self.step_schedules()

    def generator_losses(self, batch: Batch, labels: Labels) -> dict[str, torch.Tensor]:
        """Return the two terms of equation 1: L1, and how far from real the scores are."""
        t1ce = batch["t1ce"]
        out = self.network(t1ce).float()
        scores = self.discriminator.scores(image_of(out, t1ce, self.output), t1ce)
        return {
            "loss": self.reconstruction(out, batch),
            "adversarial": lsgan_loss(scores, labels.real),
        }

    @property
    def trained(self) -> Sequence[nn.Module]:
        """Generator and discriminator."""
        return [self.network, self.discriminator]


@contextmanager
def turn_of(module: Training, optimiser: Any, *, step: bool) -> Iterator[None]:
    """Let one optimiser's networks alone learn in the block; clip and step after it.

    Parameters
    ----------
    module
        Training that optimises by hand.
    optimiser
        Optimiser of the networks whose turn it is.
    step
        Whether to step; else gradients are kept, to be accumulated.
    """
    module.toggle_optimizer(optimiser)
    yield
    if step:
        if module.optimisation.clip is not None:
            module.clip_gradients(optimiser, gradient_clip_val=module.optimisation.clip)
        optimiser.step()
        optimiser.zero_grad()
    module.untoggle_optimizer(optimiser)
