"""A plane through the head, beyond which something is cut off."""

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch

from clinica_t1nce.simulation.geometry import Placement
from clinica_t1nce.simulation.scene import Scene

Cut = TypeVar("Cut", bound="Plane")


@dataclass(frozen=True)
class Plane:
    """A plane of the head, as a patch sees it.

    Attributes
    ----------
    normal
        Of the plane, in the axes of the patch, towards what is cut off.
    offset
        Of the plane from the middle of the patch along the normal, in voxels.
    """

    normal: tuple[float, ...]
    offset: float

    @staticmethod
    def seen(
        placement: Placement, outwards: np.ndarray, through: np.ndarray
    ) -> tuple[tuple[float, ...], float]:
        """Return normal and offset of the plane through a voxel of the head."""
        normal = np.array(placement.matrix).T @ outwards
        return tuple(normal.tolist()), float(outwards @ (through - placement.centre))

    def moved(self: Cut, old: Placement, new: Placement) -> Cut:
        """Return the same plane of the head as another patch sees it."""
        outwards = np.linalg.solve(np.array(old.matrix).T, self.normal)
        normal = np.array(new.matrix).T @ outwards
        shift = float(outwards @ np.subtract(old.centre, new.centre))
        return replace(self, normal=tuple(normal.tolist()), offset=self.offset + shift)

    def within(self, scene: Scene) -> torch.Tensor:
        """Return the mask of what lies on the near side."""
        x, y, z = (
            (torch.arange(n, device=scene.device) - (n - 1) / 2) * weight
            for n, weight in zip(scene.shape, self.normal, strict=True)
        )
        return x[:, None, None] + y[:, None] + z < self.offset
