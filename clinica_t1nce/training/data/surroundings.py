"""Skull-stripped pairs inside simulated heads: what hospitals have, where public pairs have none.

Public pairs of T1ce and T1nce come without skull and scalp. A network that saw real enhancement
in such brains only takes less of it out of a whole head, and dims what lies around. Here a real
brain is set into a head that is simulated anew each time (:mod:`clinica_t1nce.simulation`): the
truth is known in both.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.geometry import Placement
from clinica_t1nce.simulation.simulator import render, sample_recipe
from clinica_t1nce.simulation.tissues import PARENCHYMA
from clinica_t1nce.training.data.fitted_pairs import AIR_OF_HEADS
from clinica_t1nce.volumes import grids

BEYOND = 24
"""Voxels around a brain in which skull and scalp lie."""

Extent = np.ndarray
"""First voxel of a brain along each axis, and the first one behind it: 2 x 3."""

Patch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""T1ce, fitted T1nce and mask, each D x H x W."""


def extent_of(brain: np.ndarray) -> Extent:
    """Find where a brain lies in a volume, D x H x W, that is 0 elsewhere."""
    box = grids.nonzero_box(brain)
    return np.array([[part.start for part in box], [part.stop for part in box]], dtype=float)


class SimulatedSurroundings:
    """Puts a real brain into heads simulated from label maps.

    Parameters
    ----------
    anatomies
        Anatomies to draw from.
    """

    def __init__(self, anatomies: Sequence[Anatomy]):
        self.anatomies = anatomies
        self._extents: dict[int, Extent] = {}

    def __call__(
        self, patch: Patch, centre: Sequence[float], extent: Extent, rng: np.random.Generator
    ) -> Patch:
        """Simulate what lies around the part of a brain that a patch shows.

        Parameters
        ----------
        patch
            T1ce, 0 outside the brain; T1nce, valid in the mask; mask of the voxels in which both
            are known.
        centre
            Middle of the patch in voxels of the pair's volume.
        extent
            Extent of the brain in that volume.
        rng
            Random generator.

        Returns
        -------
        tuple of torch.Tensor
            The same with a head around; the mask holds its tissue as well.
        """
        t1ce, t1nce, mask = patch
        number = int(rng.integers(len(self.anatomies)))
        anatomy, shape = self.anatomies[number], tuple(t1ce.shape)
        brain = t1ce > 0
        recipe = sample_recipe(rng, anatomy, shape)
        placement = fit_placement(recipe.placement, centre, extent, self._extent_of(number))
        recipe = replace(
            recipe, placement=placement, stripping=None, defacing=None, field_of_view=None
        )
        head = render(recipe, anatomy, shape, brain=brain)
        around = ~brain & (head.t1ce[0] > AIR_OF_HEADS)
        return (
            torch.where(brain, t1ce, head.t1ce[0]),
            torch.where(brain, t1nce, head.t1nce[0]),
            torch.where(brain, mask, around.to(mask.dtype)),
        )

    def _extent_of(self, number: int) -> Extent:
        if number not in self._extents:
            own = np.isin(self.anatomies[number].tissue, PARENCHYMA)
            self._extents[number] = extent_of(own)
        return self._extents[number]


def fit_placement(
    drawn: Placement, centre: Sequence[float], extent: Extent, head: Extent
) -> Placement:
    """Place a patch of a brain in an anatomy, so that the two brains cover each other.

    Both are upright, right to left, back to front, bottom to top. They are brought together at
    the middle and at the top, with a scale of its own across and along; up and down has the mean
    of the two, for brains are cut off at different heights below.

    Parameters
    ----------
    drawn
        Placement whose random numbers are kept.
    centre
        Middle of the patch in voxels of the brain's volume.
    extent, head
        Extents of the brain, and of the anatomy's own.
    """
    across, along, _ = (head[1] - head[0]) / (extent[1] - extent[0])
    scale = np.array([across, along, (across * along) ** 0.5])
    origin, target = (np.array([*each.mean(axis=0)[:2], each[1, 2]]) for each in (extent, head))
    moved = target + scale * (np.asarray(centre) - origin)
    return replace(
        drawn,
        centre=tuple(moved.tolist()),
        matrix=tuple(tuple(row) for row in np.diag(scale).tolist()),
        bend=0.0,
        narrowing=(0.0, 0.0),
    )
