"""CycleGAN, for T1ce and T1nce that are not of the same people.

Zhu et al., "Unpaired image-to-image translation using cycle-consistent adversarial networks",
ICCV 2017: least-squares GAN, cycle and identity losses, replay buffer. Scores are low for real, as
in the paper's cGANs; labels are hard, as in CycleGAN.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from clinica_t1nce.models.patch_discriminator import PatchDiscriminator
from clinica_t1nce.training.data.numbered import Batch
from clinica_t1nce.training.modules.adversarial import turn_of
from clinica_t1nce.training.modules.generator import GeneratorTraining, Optimisation, make_t1nce
from clinica_t1nce.training.modules.losses import lsgan_loss

BUFFER = 50
"""Images of the past that a discriminator is shown again, as in CycleGAN."""

_REAL, _SYNTHETIC = 0.0, 1.0


class ReplayBuffer:
    """At most `size` synthetic images of the past, on the CPU (Shrivastava et al. 2017)."""

    def __init__(self, size: int = BUFFER):
        self.size = size
        self.images: list[torch.Tensor] = []

    def exchange(self, images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """Show new images, N x 1 x D x H x W, or for every other one a past one.

        That is once the buffer is full; a past image that is shown is replaced by the new one.
        """
        shown = []
        for image in images.detach():
            if len(self.images) < self.size:
                self.images.append(image.cpu())
            elif torch.rand((), generator=random) < 0.5:
                place = int(torch.randint(self.size, (), generator=random))
                self.images[place], image = image.cpu(), self.images[place].to(image.device)
            shown.append(image)
        return torch.stack(shown)


class CycleTraining(GeneratorTraining):
    """Train a generator and one for the way back, each against a discriminator.

    Parameters
    ----------
    network, reverse
        Generators from T1ce to T1nce, which is kept, and from T1nce to T1ce, which is not.
    discriminators
        Discriminators of T1nce and T1ce; each is shown one image twice, for lack of another.
    output, optimisation, seed, accumulate
        Settings, as of :class:`~clinica_t1nce.training.modules.generator.GeneratorTraining`.
    """

    optimisers = 2
    decisive = "cycle"

    def __init__(
        self,
        network: nn.Module,
        reverse: nn.Module,
        discriminators: Sequence[PatchDiscriminator],
        output: str,
        optimisation: Optimisation,
        seed: int = 0,
        accumulate: int = 1,
    ):
        super().__init__(network, output, optimisation, seed, accumulate)
        self.reverse = reverse
        self.judge_t1nce, self.judge_t1ce = discriminators
        self.past = {"t1nce": ReplayBuffer(), "t1ce": ReplayBuffer()}
        self.automatic_optimization = False

    def training_step(self, batch: Batch, index: int) -> None:
        """Step on the generators, then on the discriminators."""
        last = (index + 1) % self.accumulate == 0
        generating, discriminating = self.both_optimisers()
        with turn_of(self, generating, step=last):
            losses, made = self.generator_losses(batch)
            self.record(losses)
            o = self.optimisation
            total = (
                o.adversarial * losses["adversarial"]
                + o.cycle * losses["cycle"]
                + o.identity * losses["identity"]
            )
            self.manual_backward(total / self.accumulate)
        if last and self.average is not None:
            self.average.update_parameters(self.network)
        with turn_of(self, discriminating, step=last):
            random = self.random_generator(index)
            shown = {side: self.past[side].exchange(made[side], random) for side in made}
            loss = self.discriminators_loss(batch, shown)
            self.record({"discriminator": loss})
            self.manual_backward(loss / self.accumulate)
        if last:
            self.step_schedules()

    def generator_losses(
        self, batch: Batch
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Return the three losses of Zhu et al., section 3, and the two synthetic images."""
        t1ce, t1nce = batch["t1ce"], batch["t1nce"]
        made = {"t1nce": self._forth(t1ce), "t1ce": self._back(t1nce)}
        scores = [
            lsgan_loss(discriminator.scores(made[side], made[side]), _REAL)
            for side, discriminator in self._discriminators().items()
        ]
        cycle = F.l1_loss(self._back(made["t1nce"]), t1ce)
        cycle = cycle + F.l1_loss(self._forth(made["t1ce"]), t1nce)
        same = F.l1_loss(self._forth(t1nce), t1nce) + F.l1_loss(self._back(t1ce), t1ce)
        return {"cycle": cycle, "identity": same, "adversarial": torch.stack(scores).sum()}, made

    def discriminators_loss(self, batch: Batch, shown: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the discriminators' loss, half real and half synthetic, summed over both."""
        loss = torch.zeros((), device=self.device)
        for side, discriminator in self._discriminators().items():
            real = lsgan_loss(discriminator.scores(batch[side], batch[side]), _REAL)
            fake = lsgan_loss(discriminator.scores(shown[side], shown[side]), _SYNTHETIC)
            loss = loss + 0.5 * (real + fake)
        return loss

    @property
    def trained(self) -> Sequence[nn.Module]:
        """Generators, and discriminators."""
        generators = nn.ModuleList([self.network, self.reverse])
        return [generators, nn.ModuleList(self._discriminators().values())]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the buffers: a run that goes on shows what it would have shown."""
        checkpoint["buffers"] = {side: past.images for side, past in self.past.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the buffers up."""
        for side, past in self.past.items():
            past.images = list(checkpoint["buffers"][side])

    def _discriminators(self) -> dict[str, PatchDiscriminator]:
        return {"t1nce": self.judge_t1nce, "t1ce": self.judge_t1ce}

    def _forth(self, t1ce: torch.Tensor) -> torch.Tensor:
        return make_t1nce(self.network, t1ce, self.output)

    def _back(self, t1nce: torch.Tensor) -> torch.Tensor:
        return make_t1nce(self.reverse, t1nce, self.output)
