"""Patches and whole volumes of real pairs, to train on the change and to validate."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from clinica_t1nce.files.nifti import CROP_SHAPE
from clinica_t1nce.training.data.fitted_pairs import FittedPair, is_bare
from clinica_t1nce.training.data.numbered import Batch, seed_of, shuffled
from clinica_t1nce.training.data.preparation import whole
from clinica_t1nce.training.data.surroundings import (
    BEYOND,
    Extent,
    SimulatedSurroundings,
    extent_of,
)
from clinica_t1nce.training.data.variation import Variation
from clinica_t1nce.volumes import grids, intensity

_HELD = 0.3
_TRIES = 20


class RealPatches:
    """Patches of real pairs, in a new order each time that all pairs were seen.

    Parameters
    ----------
    pairs
        Prepared pairs.
    seed
        Seed of order, patches and variation.
    patch
        Side of the cubic patches, voxels.
    t1nce_share
        Share of patches, of the pairs whose T1nce is sharp, in which the T1nce is shown in place
        of the T1ce: nothing is to be removed then.
    variation
        Random changes of a patch; None: patches as they are.
    surroundings
        Heads into which skull-stripped pairs are set whose T1nce is sharp; None: they stay bare.
    in_heads
        Fraction of patches of such pairs that get a head.
    """

    def __init__(
        self,
        pairs: Sequence[FittedPair],
        seed: int,
        patch: int,
        t1nce_share: float = 0.15,
        variation: Variation | None = None,
        surroundings: SimulatedSurroundings | None = None,
        in_heads: float = 0.5,
    ):
        self.pairs = list(pairs)
        self.seed = seed
        self.patch = patch
        self.t1nce_share = t1nce_share
        self.variation = variation
        self.surroundings = surroundings
        self.in_heads = in_heads
        self._extents: dict[int, Extent | None] = {}

    @property
    def epoch(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    def pair(self, number: int) -> Batch:
        """Cut patch `number`; numbers go on beyond the first epoch."""
        chosen = shuffled(number, len(self.pairs), self.seed, stream=1)
        prepared = self.pairs[chosen]
        rng = np.random.default_rng(seed_of(self.seed, number))
        sharp = max(prepared.facts.blur) == 0
        zoom = self.variation.zoom(rng) if self.variation else 1.0
        side = round(self.patch * zoom)
        extent = self._bare(chosen) if self.surroundings and sharp else None
        if self.surroundings and extent is not None and rng.random() < self.in_heads:
            cut, start = _cut_patch(prepared.volumes, side, rng, BEYOND)
            centre = [first + (side - 1) / 2 for first in start]
            x, y, mask = self.surroundings((cut[0], cut[1], cut[2]), centre, extent, rng)
        else:
            x, y, mask = _cut_patch(prepared.volumes, side, rng)[0]
        batch = _batch(x, y, mask, [sigma / zoom for sigma in prepared.facts.blur])
        if self.variation is not None:
            batch = self.variation(batch, self.patch, sharp, rng)
        if sharp and rng.random() < self.t1nce_share:
            batch["t1ce"] = batch["t1nce"].clone()
        return batch

    def _bare(self, number: int) -> Extent | None:
        """Find where a skull-stripped brain lies; None of a whole head."""
        if number not in self._extents:
            t1ce = self.pairs[number].volumes[0]
            self._extents[number] = extent_of(t1ce) if is_bare(t1ce) else None
        return self._extents[number]


class RealVolumes:
    """Whole prepared pairs, to validate on.

    Parameters
    ----------
    pairs
        Prepared pairs.
    multiple
        Number that every side is padded to a multiple of.
    surroundings
        Heads into which skull-stripped pairs are set as well: then each follows a second time,
        in a head that is the same in every run. What is measured is the brain.
    """

    def __init__(
        self,
        pairs: Sequence[FittedPair],
        multiple: int,
        surroundings: SimulatedSurroundings | None = None,
    ):
        self.pairs = list(pairs)
        self.multiple = multiple
        self.surroundings = surroundings
        self._bare = [pair for pair in pairs if surroundings and is_bare(pair.volumes[0])]

    @property
    def epoch(self) -> int:
        """Number of volumes."""
        return len(self.pairs) + len(self._bare)

    def pair(self, number: int) -> Batch:
        """Give volume `number`."""
        in_head = number - len(self.pairs)
        prepared = self._bare[in_head] if in_head >= 0 else self.pairs[number]
        before = BEYOND if in_head >= 0 else 0
        pads = [
            (before, before + -(side + 2 * before) % self.multiple)
            for side in prepared.volumes.shape[1:]
        ]
        x, y, mask = (
            torch.from_numpy(np.pad(volume.astype(np.float32), pads)) for volume in prepared.volumes
        )
        if self.surroundings is not None and in_head >= 0:
            centre = [(side - 1) / 2 - before for side in x.shape]
            rng = np.random.default_rng(in_head)
            extent = extent_of(prepared.volumes[0])
            x, y, _ = self.surroundings((x, y, mask), centre, extent, rng)
        batch = _batch(x, y, mask, prepared.facts.blur)
        return batch | {"deviation": torch.tensor(prepared.facts.deviation)}


class FittedVolumes:
    """Whole prepared pairs as a network sees them that works on one grid.

    A pair lies in the middle of t1-linear's field of view, as a crop does; where the T1nce is not
    known, both images are the T1ce.

    Parameters
    ----------
    pairs
        Prepared pairs, white matter = 1.
    grid, scaling
        Grid, D, H, W, and scaling of the network's input, which is measured on the T1ce.
    seed
        Seed of order and variation; None: in the order given, as they are, to validate on.
    t1nce_share
        Share of pairs, of those whose T1nce is sharp, in which the T1nce is shown in place of the
        T1ce.
    variation
        Random changes of a pair, or None.
    """

    def __init__(
        self,
        pairs: Sequence[FittedPair],
        grid: Sequence[int],
        scaling: Mapping[str, Any],
        seed: int | None,
        t1nce_share: float = 0.0,
        variation: Variation | None = None,
    ):
        self.pairs = list(pairs)
        self.grid = tuple(grid)
        self.scaling = dict(scaling)
        self.seed = seed
        self.t1nce_share = t1nce_share
        self.variation = variation

    @property
    def epoch(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    def pair(self, number: int) -> Batch:
        """Make pair `number`; numbers go on beyond the first epoch."""
        chosen = number % len(self.pairs)
        if self.seed is not None:
            chosen = shuffled(number, len(self.pairs), self.seed, stream=1)
        prepared, rng = self.pairs[chosen], np.random.default_rng(seed_of(self.seed or 0, number))
        x, y, mask = torch.from_numpy(prepared.volumes.astype(np.float32))
        volumes = torch.stack([x, torch.where(mask > 0.5, y, x)])
        volumes = grids.resample(_in_the_middle(volumes, CROP_SHAPE)[None], self.grid)[0]
        batch = whole(*volumes.numpy())
        sharp = max(prepared.facts.blur) == 0
        if self.variation is not None:
            batch = self.variation(batch, self.grid[-1], sharp, rng)
        t1ce, t1nce = (batch[side][0].numpy() for side in ("t1ce", "t1nce"))
        if sharp and rng.random() < self.t1nce_share:
            t1ce = t1nce
        scaling = intensity.measure(t1ce, **self.scaling)
        return whole(*(scaling.apply(volume) for volume in (t1ce, t1nce)))


def _in_the_middle(volumes: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Pad volumes, N x D x H x W, with 0 or cut them alike at both ends."""
    pads: list[int] = []
    for side, wanted in zip(reversed(volumes.shape[1:]), reversed(shape), strict=True):
        before = (wanted - side) // 2
        pads += [before, wanted - side - before]
    return F.pad(volumes, pads)


def _batch(x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor, blur: Sequence[float]) -> Batch:
    inside = mask > 0.9
    # Outside the mask nothing is known: there, both images are the T1ce.
    return {
        "t1ce": x[None],
        "t1nce": torch.where(inside, y.clamp(min=0), x)[None],
        "mask": inside[None],
        "noisy": torch.tensor(True),
        "blur": torch.tensor([float(sigma) for sigma in blur]),
    }


def _cut_patch(
    volumes: np.ndarray, side: int, rng: np.random.Generator, beyond: int = 0
) -> tuple[list[torch.Tensor], list[int]]:
    """Cut a patch of which a third is tissue, if there is one; beyond the volume it is 0.

    Returns the patch and its first voxel, which lies up to `beyond` voxels outside.
    """
    for _ in range(_TRIES):
        start = [
            int(rng.integers(-beyond, max(length - side + beyond, -beyond) + 1))
            for length in volumes.shape[1:]
        ]
        box = tuple(slice(max(first, 0), max(first + side, 0)) for first in start)
        held = volumes[2][box]
        if held.size and held.mean(dtype=np.float32) >= _HELD:
            break
    cut = volumes[(slice(None), *box)].astype(np.float32)
    pads = [(0, 0)]
    for first, length in zip(start, cut.shape[1:], strict=True):
        before = max(-first, 0)
        pads.append((before, side - before - length))
    return list(torch.from_numpy(np.pad(cut, pads))), start
