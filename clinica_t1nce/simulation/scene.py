"""The head that effects work on."""

from dataclasses import dataclass
from functools import reduce

import torch

from clinica_t1nce.simulation.tissues import Tissue


@dataclass
class Scene:
    """One head in the making, on one grid. Effects read all and change `image` and `enhancement`.

    Attributes
    ----------
    tissue
        D x H x W integers, :class:`~clinica_t1nce.simulation.tissues.Tissue` numbers.
    depth
        Depth inside the intracranial cavity in mm, negative outside.
    outside_tissue
        Distance outside the brain's parenchyma and ventricles in mm, negative inside.
    fold
        Distance to falx and tentorium in mm.
    image
        Intensity before gadolinium, white matter = 1.
    enhancement
        What gadolinium adds, in the same units, 0 or more.
    """

    tissue: torch.Tensor
    depth: torch.Tensor
    outside_tissue: torch.Tensor
    fold: torch.Tensor
    image: torch.Tensor
    enhancement: torch.Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Return D, H, W."""
        return tuple(self.tissue.shape)

    @property
    def device(self) -> torch.device:
        """Return where the tensors are."""
        return self.tissue.device

    @property
    def intracranial(self) -> torch.Tensor:
        """Return the mask of the intracranial cavity."""
        return self.depth > -0.5

    @property
    def outside_brain(self) -> torch.Tensor:
        """Return the mask of what is not parenchyma, its outermost voxel included."""
        return self.outside_tissue > -0.7

    def is_tissue(self, *tissues: Tissue) -> torch.Tensor:
        """Return the mask of the voxels of these tissues."""
        # Many times faster than torch.isin for these few.
        return reduce(torch.logical_or, (self.tissue == tissue for tissue in tissues))

    def enhance(self, share: torch.Tensor, amount: torch.Tensor | float) -> None:
        """Let the voxels' `share` (0..1) enhance by `amount`, where they do not do so more yet."""
        self.enhancement = torch.maximum(self.enhancement, share * amount)

    def paint(self, share: torch.Tensor, intensity: torch.Tensor | float) -> None:
        """Blend `intensity` into the image before gadolinium by the voxels' `share` (0..1)."""
        self.image = self.image * (1 - share) + share * intensity
