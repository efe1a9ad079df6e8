"""CycleGAN, for T1ce and T1nce that are not of the same people.

Zhu et al., "Unpaired image-to-image translation using cycle-consistent adversarial networks",
ICCV 2017: least-squares GAN, cycle and identity losses, replay buffer. Scores are low for real, as
in the paper's cGANs; labels are hard, as in CycleGAN.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from clinica_t1nce.models.patch_discriminator import PatchDiscriminator
from clinica_t1nce.training.data.numbered import Batch
from clinica_t1nce.training.modules.adversarial import turn_of
from clinica_t1nce.training.modules.generator import GeneratorTraining, Optimisation, synthesise
from clinica_t1nce.training.modules.losses import least_squares

BUFFER = 50
"""Images of the past that a discriminator is shown again, as in CycleGAN."""

_REAL, _SYNTHETIC = 0.0, 1.0


class ReplayBuffer:
    """Synthetic images of the past (Shrivastava et al. 2017).

    Parameters
    ----------
    size
        How many are kept, on the CPU.
    """

    def __init__(self, size: int = BUFFER):
        self.size = size
        self.images: list[torch.Tensor] = []

    def exchange(self, images: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        """Show new images, or for every other one, once the buffer is full, an old one.

        Parameters
        ----------
        images
            N x 1 x D x H x W.
        chance
            Decides; an old image that is shown is replaced by the new one.
        """
        shown = []
        for image in images.detach():
            if len(self.images) < self.size:
                self.images.append(image.cpu())
            elif torch.rand((), generator=chance) < 0.5:
                place = int(torch.randint(self.size, (), generator=chance))
                self.images[place], image = image.cpu(), self.images[place].to(image.device)
            shown.append(image)
        return torch.stack(shown)


class CycleTraining(GeneratorTraining):
    """Train a generator and one for the way back, each against a discriminator.

    Parameters
    ----------
    network, reverse
        T1ce to T1nce, which is kept, and T1nce to T1ce, which is not.
    judges
        Discriminators of T1nce and T1ce; each is shown one image twice, for lack of another.
    output, optimisation, seed, accumulate
        As :class:`~clinica_t1nce.training.modules.generator.GeneratorTraining`.
    """

    optimisers = 2
    decisive = "cycle"

    def __init__(
        self,
        network: nn.Module,
        reverse: nn.Module,
        judges: tuple[PatchDiscriminator, PatchDiscriminator],
        output: str,
        optimisation: Optimisation,
        seed: int = 0,
        accumulate: int = 1,
    ):
        super().__init__(network, output, optimisation, seed, accumulate)
        self.reverse = reverse
        self.judge_t1nce, self.judge_t1ce = judges
        self.past = {"t1nce": ReplayBuffer(), "t1ce": ReplayBuffer()}
        self.automatic_optimization = False

    def training_step(self, batch: Batch, index: int) -> None:
        """Step on the generators, then on the discriminators."""
        last = (index + 1) % self.accumulate == 0
        generating, judging = self.both_optimisers()
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
        with turn_of(self, judging, step=last):
            chance = self.chance(index)
            shown = {side: self.past[side].exchange(made[side], chance) for side in made}
            loss = self.judges_loss(batch, shown)
            self.record({"discriminator": loss})
            self.manual_backward(loss / self.accumulate)
        if last:
            self.step_schedules()

    def generator_losses(
        self, batch: Batch
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Give the three losses of Zhu et al., section 3, and the two synthetic images."""
        t1ce, t1nce = batch["t1ce"], batch["t1nce"]
        made = {"t1nce": self._forth(t1ce), "t1ce": self._back(t1nce)}
        verdicts = [
            least_squares(judge.scores(made[side], made[side]), _REAL)
            for side, judge in self._judges().items()
        ]
        cycle = F.l1_loss(self._back(made["t1nce"]), t1ce)
        cycle = cycle + F.l1_loss(self._forth(made["t1ce"]), t1nce)
        same = F.l1_loss(self._forth(t1nce), t1nce) + F.l1_loss(self._back(t1ce), t1ce)
        return {"cycle": cycle, "identity": same, "adversarial": torch.stack(verdicts).sum()}, made

    def judges_loss(self, batch: Batch, shown: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Give the discriminators' loss, half real and half synthetic, summed over both."""
        loss = torch.zeros((), device=self.device)
        for side, judge in self._judges().items():
            real = least_squares(judge.scores(batch[side], batch[side]), _REAL)
            fake = least_squares(judge.scores(shown[side], shown[side]), _SYNTHETIC)
            loss = loss + 0.5 * (real + fake)
        return loss

    def configure_optimizers(self) -> Any:
        """One optimiser for the generators, one for the discriminators."""
        sides = (
            nn.ModuleList([self.network, self.reverse]),
            nn.ModuleList([self.judge_t1nce, self.judge_t1ce]),
        )
        optimisers = [self.optimisation.optimiser(side.parameters()) for side in sides]
        return optimisers, [self.optimisation.schedule(o) for o in optimisers]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the buffers: a run that goes on shows what it would have shown."""
        checkpoint["buffers"] = {side: past.images for side, past in self.past.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the buffers up."""
        for side, past in self.past.items():
            past.images = list(checkpoint["buffers"][side])

    def _judges(self) -> dict[str, PatchDiscriminator]:
        return {"t1nce": self.judge_t1nce, "t1ce": self.judge_t1ce}

    def _forth(self, t1ce: torch.Tensor) -> torch.Tensor:
        return synthesise(self.network, t1ce, self.output)

    def _back(self, t1nce: torch.Tensor) -> torch.Tensor:
        return synthesise(self.reverse, t1nce, self.output)
