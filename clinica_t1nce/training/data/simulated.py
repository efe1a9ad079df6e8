"""Pairs simulated from label maps: patches for full-resolution networks, or whole heads."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clinica_t1nce.files import nifti
from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.gadolinium import USUAL, Gadolinium
from clinica_t1nce.simulation.simulator import render, sample_recipe, simulate
from clinica_t1nce.training.data.numbered import Batch, seed_of
from clinica_t1nce.training.data.preparation import volume_for, whole


class SimulatedPatches:
    """Patches at 1 mm, white matter at about 1: what ``change-unet`` is trained on.

    Parameters
    ----------
    heads
        To draw from.
    shape
        D, H, W of the patches.
    seed
        Of the stream.
    gadolinium
        Ranges of injection and effects.
    """

    epoch = None

    def __init__(
        self,
        heads: Sequence[Anatomy],
        shape: Sequence[int],
        seed: int,
        gadolinium: Gadolinium = USUAL,
    ):
        self.gadolinium = gadolinium
        self.heads = heads
        self.shape = tuple(shape)
        self.seed = seed

    def pair(self, number: int) -> Batch:
        """Draw pair `number`."""
        seed = seed_of(self.seed, number)
        drawn = simulate(self.heads, seed, self.shape, gadolinium=self.gadolinium)
        return {
            "t1ce": drawn.t1ce,
            "t1nce": drawn.t1nce,
            "mask": drawn.mask,
            "intracranial": drawn.intracranial,
        }


class SimulatedHeads:
    """Whole heads in t1-linear's field of view, scaled and resampled as a card's input says.

    Parameters
    ----------
    heads
        To draw from.
    grid
        D, H, W that the network works on.
    scaling
        As :func:`clinica_t1nce.volumes.intensity.measure` takes it; of each image by itself.
    seed
        Of the stream.
    shape
        Voxels of 1 mm that are simulated.
    """

    epoch = None

    def __init__(
        self,
        heads: Sequence[Anatomy],
        grid: Sequence[int],
        scaling: Mapping[str, Any],
        seed: int,
        shape: Sequence[int] = nifti.CROP_SHAPE,
    ):
        self.heads = heads
        self.grid = tuple(grid)
        self.scaling = scaling
        self.seed = seed
        self.shape = tuple(shape)

    def pair(self, number: int) -> Batch:
        """Draw pair `number`."""
        rng = np.random.default_rng(seed_of(self.seed, number))
        head = self.heads[int(rng.integers(len(self.heads)))]
        recipe = sample_recipe(rng, head, self.shape)
        # A crop of t1-linear has the head in its middle, give or take some voxels.
        jitter = rng.integers(-5, 6, 3)
        centre = tuple(
            side // 2 + int(shift) for side, shift in zip(head.tissue.shape, jitter, strict=True)
        )
        drawn = render(recipe.about(centre), head, self.shape)
        t1ce, t1nce = (
            volume_for(image[0].numpy(), self.grid, self.scaling)
            for image in (drawn.t1ce, drawn.t1nce)
        )
        return whole(t1ce, t1nce)
