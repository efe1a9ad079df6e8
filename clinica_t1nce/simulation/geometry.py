"""Take a patch out of an anatomy, turned, stretched and bent."""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
import torch
from torch.nn import functional as F

from clinica_t1nce.simulation.anatomy import Anatomy, to_mm
from clinica_t1nce.simulation.fields import blur, generator, smooth_noise, stretch
from clinica_t1nce.simulation.scene import Scene

_FACE = np.array([(0.2, 0.8), (0.65, 0.88), (0.15, 0.65)])
"""Fractions of the sides between which the eyes and the nose lie, left, back and low first."""

_FADE = (6.0, 12.0)
"""Over how many mm of tissue what narrows sulci, and ventricles, dies away."""


@dataclass(frozen=True)
class Placement:
    """Where a patch lies in an anatomy: an affine about its centre and a smooth displacement.

    Attributes
    ----------
    centre
        Voxel of the anatomy at the middle of the patch.
    matrix
        Affine, 3 x 3, from axes of the patch to axes of the anatomy, in voxels.
    bend, bend_spacing
        Standard deviation of the displacement in voxels, and the spacing of its nodes.
    seed
        Seed of the displacement.
    narrowing
        Millimetres by which the banks of sulci, and the walls of ventricles, come closer.
        Label maps are often of the old, with wide sulci and ventricles; in the young a film of
        fluid is left between two banks, and thick white matter at the midline. The tissue is
        moved, so that cortex stays as thick as it is.
    """

    centre: tuple[float, ...]
    matrix: tuple[tuple[float, ...], ...]
    bend: float
    bend_spacing: float
    seed: int
    narrowing: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def sample(cls, rng: np.random.Generator, anatomy: Anatomy) -> "Placement":
        """Draw a placement whose centre lies in or next to the intracranial cavity.

        Three in ten lie up to 20 mm outside of it, or in the face, so that scalp, orbits and nose
        are seen too: fat is bright there and does not enhance.

        Rotations up to 15 degrees about each axis, scale 0.85 to 1.15, shear 0.08, bend up to 2
        voxels, left-right flip: the trial runs that led here found no gain in more. In half of
        the patches sulci are narrowed by up to 1.5 mm and ventricles by up to 5.
        """
        sides = np.array(anatomy.tissue.shape)
        where = rng.random()
        low, high = (_FACE * sides[:, None]).T if where < 0.15 else (10, sides - 10)
        nearest = -np.inf if where < 0.15 else -20 if where < 0.3 else -2
        for _ in range(50):
            centre = rng.integers(low, high)
            if to_mm(float(anatomy.distances[(0, *centre)]), 0) > nearest:
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
            narrowing=(rng.uniform(0, 1.5), rng.uniform(0, 5))
            if rng.random() < 0.5
            else (0.0, 0.0),
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
        axes = [torch.arange(n, device=device) - (n - 1) / 2 for n in shape]
        patch = torch.stack(torch.meshgrid(*axes, indexing="ij"))
        where = (torch.tensor(self.matrix, device=device) @ patch.flatten(1)).view(3, *shape)
        where += self.bend * smooth_noise(
            shape, self.bend_spacing, generator(self.seed, device), channels=3
        )
        where += torch.tensor(self.centre, device=device).view(3, 1, 1, 1)
        # Only the part of the anatomy that the patch touches is moved and converted.
        margin = sum(self.narrowing)
        box = [
            slice(
                min(max(floor(low - margin), 0), side - 1),
                max(min(ceil(high + margin) + 1, side), 1),
            )
            for low, high, side in zip(
                where.amin((1, 2, 3)).tolist(),
                where.amax((1, 2, 3)).tolist(),
                anatomy.tissue.shape,
                strict=True,
            )
        ]
        for axis in range(3):
            where[axis] -= box[axis].start
        tissue = torch.from_numpy(np.array(anatomy.tissue[tuple(box)])).to(device)
        codes = torch.from_numpy(np.array(anatomy.distances[(slice(None), *box)]))
        codes = codes.to(device, torch.float32)
        # The brain's surface is folded; the other distances are smooth enough for a coarse grid.
        coarse = [n // 2 + 1 for n in shape]
        smooth = stretch(_linear(codes[[0, 2, 3, 4]], stretch(where, coarse)), shape)
        folded = _linear(codes[1:2], where)
        if margin:
            where = where + self._narrower(to_mm(smooth[0], 0), folded[0], smooth[3])
            moved = _linear(codes[[1, 4]], where)
            folded, smooth[3] = moved[:1], moved[1]
        labels = _nearest(tissue, where)
        depth, outside, falx, tentorium, ventricle = (
            to_mm(code, i) for i, code in enumerate([smooth[0], folded[0], *smooth[1:]])
        )
        zeros = torch.zeros(shape, device=device)
        return Scene(labels, depth, outside, falx, tentorium, ventricle, zeros, zeros)

    def _narrower(
        self, depth: torch.Tensor, outside: torch.Tensor, ventricle: torch.Tensor
    ) -> torch.Tensor:
        """Say by how much to look beside each voxel, 3 x D x H x W voxels of the anatomy.

        Into the tissue next to fluid: half way between two banks, where the slope of the
        distance is 0, fluid stays.
        """
        sulci, ventricles = self.narrowing
        outside, ventricle = to_mm(outside, 1), to_mm(ventricle, 4)
        inside_skull = (depth / 2).clamp(0, 1)
        near = torch.exp(outside.clamp(max=0) / _FADE[0]) * inside_skull
        beside = -sulci * near * torch.stack(torch.gradient(blur(outside, (0.7,) * 3)))
        near = torch.exp(-ventricle.clamp(min=0) / _FADE[1]) * inside_skull
        beside += ventricles * near * torch.stack(torch.gradient(ventricle))
        matrix = torch.tensor(self.matrix, device=beside.device)
        return (matrix @ beside.flatten(1)).view_as(beside)


def _linear(volumes: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Interpolate C x D x H x W at positions 3 x ... in voxels; the border goes on outside."""
    last = torch.tensor(volumes.shape[1:], device=where.device).view(3, 1, 1, 1).sub(1)
    normal = (2 * where / last.clamp_min(1) - 1).flip(0).permute(1, 2, 3, 0)[None]
    return F.grid_sample(volumes[None], normal, padding_mode="border", align_corners=True)[0]


def _nearest(labels: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Look labels up at positions 3 x D x H x W in voxels; 0 outside."""
    padded = F.pad(labels, (1,) * 6)
    index = torch.zeros_like(where[0], dtype=torch.int32)
    for axis, side in enumerate(padded.shape):
        nearest = where[axis].add(1.5).clamp_(0, side - 0.5).to(torch.int32)
        index = index.mul_(side).add_(nearest)
    return padded.flatten()[index].long()
