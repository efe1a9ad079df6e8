"""Variety for real pairs: the same change to both images, so that they still differ by gadolinium.

TorchIO does it: of the libraries with volumes in mind it alone simulates motion as a scanner
records it, in k-space.
"""

import numpy as np
import torch

from clinica_t1nce.simulation import scanner
from clinica_t1nce.training.data.numbered import Batch

_LOG_GAMMA = 0.15


class Augmentation:
    """Flip left to right, turn and stretch, bias field, motion, gamma, noise: each at random.

    The two images go through one TorchIO image of two channels, which share what is drawn.
    """

    def __init__(self) -> None:
        import torchio as tio

        self._transform = tio.Compose(
            [
                tio.RandomFlip(axes=(0,), flip_probability=0.5),
                tio.RandomAffine(scales=0.1, degrees=10, translation=5, p=0.75),
                tio.RandomBiasField(coefficients=0.1, p=0.5),
                tio.RandomMotion(degrees=3, translation=3, num_transforms=1, p=0.1),
            ]
        )

    def __call__(self, batch: Batch, seed: int) -> Batch:
        """Change one pair; the same seed changes it in the same way.

        Parameters
        ----------
        batch
            Pair: ``t1ce`` and ``t1nce``, 1 x D x H x W.
        seed
            Seed of all that is drawn.
        """
        both = torch.cat([batch["t1ce"], batch["t1nce"]])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            both = self._transform(both).float()
        rng = np.random.default_rng(seed)
        if rng.random() < 0.5:
            # TorchIO draws a gamma for each channel.
            both = both.clamp(min=0) ** float(np.exp(rng.uniform(-_LOG_GAMMA, _LOG_GAMMA)))
        if rng.random() < 0.5:
            noise = scanner.Noise.sample(rng, scanner.VARIED)
            # It adds noise to the first of the two and leaves their difference alone.
            t1nce, enhancement = noise(torch.stack([both[1], both[0] - both[1]]))
            both = torch.stack([t1nce + enhancement, t1nce])
        return {**batch, "t1ce": both[:1], "t1nce": both[1:]}
