"""A smaller network learns to give what a trained one gives.

Hinton et al., "Distilling the knowledge in a neural network", 2015. What a trained network gives
has no noise of a second scan in it and is known everywhere, and a T1ce is enough.
"""

from collections.abc import Sequence

import torch
from torch import nn

from clinica_t1nce.training.data.numbered import Batch
from clinica_t1nce.training.modules.generator import GeneratorTraining, Optimisation, image_of
from clinica_t1nce.training.modules.losses import local_means, robust


class DistillationTraining(GeneratorTraining):
    """Train a generator to give what another one gives, every quantile of it.

    Parameters
    ----------
    network
        Generator that learns, N x 1 x D x H x W to N x Q x D x H x W.
    teacher
        Generator with the same number of channels, which is left as it is.
    views
        Axes along which the teacher's input is mirrored, and its output back: one view a batch,
        in turn. Their mean, which the teacher needs several passes for, is what is learnt.
    output, optimisation, seed, accumulate
        Settings, as of :class:`~clinica_t1nce.training.modules.generator.Training`.
    """

    def __init__(
        self,
        network: nn.Module,
        teacher: nn.Module,
        views: Sequence[Sequence[int]],
        output: str,
        optimisation: Optimisation,
        seed: int = 0,
        accumulate: int = 1,
    ):
        super().__init__(network, output, optimisation, seed, accumulate)
        self.teacher = teacher.requires_grad_(False)
        self._views = tuple(views)

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """Return the loss of one batch."""
        loss = self.imitation(batch["t1ce"], self._views[index % len(self._views)])
        self.record({"loss": loss})
        return loss

    def imitation(self, t1ce: torch.Tensor, view: Sequence[int]) -> torch.Tensor:
        """Compare what both give, voxel by voxel and in local means, where there is an image."""
        o = self.optimisation
        x = t1ce.contiguous(memory_format=torch.channels_last_3d)
        wanted = self.taught(x, view)
        missing = wanted - self.network(x).float()
        middle = missing.shape[1] // 2
        seen = x != 0
        enhancing = x - image_of(wanted, x, self.output) > o.enhancing_above
        weight = (1 + o.enhancing_weight * enhancing) * seen
        error = robust(missing, o.robust_scale).mean(dim=1, keepdim=True) * weight
        loss = error.sum() / weight.sum().clamp(min=1)
        return loss + o.local * local_means(missing[:, middle, None], seen)

    @torch.no_grad()
    def taught(self, t1ce: torch.Tensor, view: Sequence[int]) -> torch.Tensor:
        """Give the teacher's output for a T1ce that it sees mirrored along the axes of `view`."""
        self.teacher.eval()
        axes = [axis + 2 for axis in view]
        out: torch.Tensor = self.teacher(t1ce.flip(axes) if axes else t1ce)
        return (out.flip(axes) if axes else out).float()
