"""Take a patch out of a head, turned, stretched and bent."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from torch.nn import functional as F

from clinica_t1nce.simulation.anatomy import Anatomy, decode
from clinica_t1nce.simulation.fields import generator, smooth_noise
from clinica_t1nce.simulation.scene import Scene

_LARGEST_STRETCH = 1.5


@dataclass(frozen=True)
class Placement:
    """Where a patch lies in a head: an affine about its centre and a smooth displacement.

    Attributes
    ----------
    centre
        Voxel of the head at the middle of the patch.
    matrix
        3 x 3, from patch axes to head axes, in voxels.
    bend
        Standard deviation of the displacement in voxels, and the spacing of its nodes.
    seed
        Of the displacement.
    """

    centre: tuple[int, ...]
    matrix: tuple[tuple[float, ...], ...]
    bend: float
    bend_spacing: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, anatomy: Anatomy) -> "Placement":
        """Draw a placement whose centre lies in or next to the intracranial cavity.

        Rotations up to 15 degrees about each axis, scale 0.85 to 1.15, shear 0.08, bend up to 2
        voxels, left-right flip: the trial runs that led here found no gain in more.
        """
        sides = np.array(anatomy.tissue.shape)
        for _ in range(50):
            centre = rng.integers(10, sides - 10)
            if decode(float(anatomy.distances[(0, *centre)]), 0) > -2:
                break
        matrix = np.eye(3)
        for first, second in ((1, 2), (0, 2), (0, 1)):
            angle = np.deg2rad(rng.uniform(-15, 15))
            turn = np.eye(3)
            turn[first, first] = turn[second, second] = np.cos(angle)
            turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
            matrix = matrix @ turn
        shear = rng.uniform(-0.08, 0.08, (3, 3)) * (1 - np.eye(3))
        matrix = matrix @ np.diag(rng.uniform(0.85, 1.15, 3)) + shear
        if rng.random() < 0.5:
            matrix[:, 0] *= -1
        return cls(
            centre=tuple(int(c) for c in centre),
            matrix=tuple(tuple(float(v) for v in row) for row in matrix),
            bend=rng.uniform(0, 2.0),
            bend_spacing=rng.uniform(12, 24),
            seed=int(rng.integers(2**31)),
        )

    def place(
        self, anatomy: Anatomy, shape: tuple[int, ...], device: torch.device | str = "cpu"
    ) -> Scene:
        """Cut the patch: labels by nearest neighbour, distances linearly.

        Returns
        -------
        Scene
            D x H x W as `shape`, its image and enhancement still 0.
        """
        reach = ceil(max(shape) / 2 * _LARGEST_STRETCH) + 8
        sides = anatomy.tissue.shape
        low = [max(c - reach, 0) for c in self.centre]
        box = tuple(
            slice(a, min(c + reach, side))
            for a, c, side in zip(low, self.centre, sides, strict=True)
        )
        tissue = torch.from_numpy(np.ascontiguousarray(anatomy.tissue[box])).to(device)
        codes = torch.from_numpy(np.ascontiguousarray(anatomy.distances[(slice(None), *box)]))
        axes = [torch.arange(n, device=device) - (n - 1) / 2 for n in shape]
        patch = torch.stack(torch.meshgrid(*axes, indexing="ij"))
        where = torch.einsum("ij,jxyz->ixyz", torch.tensor(self.matrix, device=device), patch)
        bend = smooth_noise(shape, self.bend_spacing, generator(self.seed, device), channels=3)
        where += self.bend * bend
        for axis in range(3):
            where[axis] += self.centre[axis] - low[axis]
        labels = _nearest(tissue, where)
        last = torch.tensor(tissue.shape, device=device).view(3, 1, 1, 1) - 1
        normal = (2 * where / last - 1).flip(0).permute(1, 2, 3, 0)[None]
        sampled = F.grid_sample(
            codes.to(device, torch.float32)[None], normal, padding_mode="border", align_corners=True
        )[0]
        depth, outside, fold = (decode(sampled[i], i) for i in range(3))
        zeros = torch.zeros(shape, device=device)
        return Scene(labels, depth, outside, fold, image=zeros, enhancement=zeros)


def _nearest(labels: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Look labels up at positions 3 x D x H x W in voxels; 0 outside."""
    index = where.round().long()
    inside = torch.ones_like(index[0], dtype=torch.bool)
    for axis, side in enumerate(labels.shape):
        inside &= (index[axis] >= 0) & (index[axis] < side)
        index[axis].clamp_(0, side - 1)
    return torch.where(inside, labels[tuple(index)].long(), 0)
