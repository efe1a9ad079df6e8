"""The scene that effects work on: an image in the making."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cached_property, reduce

import torch
from torch.nn import functional as F

from clinica_t1nce.simulation.fields import stretch
from clinica_t1nce.simulation.tissues import Tissue

_BLOCK = 4


@dataclass
class Scene:
    """One image in the making, on one grid. Effects read all and change `image` and `enhancement`.

    Attributes
    ----------
    tissue
        Tissues, D x H x W integers, :class:`~clinica_t1nce.simulation.tissues.Tissue` numbers.
    depth
        Depth inside the intracranial cavity in mm, negative outside.
    outside_tissue
        Distance outside the brain's parenchyma and ventricles in mm, negative inside.
    falx, tentorium
        Distance in mm to the surfaces in which they lie, 25 where none is near.
    ventricle
        Distance outside the ventricles in mm, negative inside.
    image
        Intensity before gadolinium, white matter = 1.
    enhancement
        Amount of gadolinium, 0 or more: about what a usual dose adds, in the same units.
        :meth:`~clinica_t1nce.simulation.contrast.Contrast.enhancement` makes signal of it.
    """

    tissue: torch.Tensor
    depth: torch.Tensor
    outside_tissue: torch.Tensor
    falx: torch.Tensor
    tentorium: torch.Tensor
    ventricle: torch.Tensor
    image: torch.Tensor
    enhancement: torch.Tensor
    _masks: dict[Tissue, torch.Tensor] = field(default_factory=dict, init=False, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return D, H, W."""
        return tuple(self.tissue.shape)

    @property
    def device(self) -> torch.device:
        """Return where the tensors are."""
        return self.tissue.device

    @cached_property
    def intracranial(self) -> torch.Tensor:
        """Return the mask of the intracranial cavity."""
        return self.depth > -0.5

    @cached_property
    def outside_brain(self) -> torch.Tensor:
        """Return the mask of what is not parenchyma, its outermost voxel included."""
        return self.outside_tissue > -0.7

    @cached_property
    def fluid(self) -> torch.Tensor:
        """Return the mask of what surrounds the brain inside the cavity."""
        outside = self.is_tissue(Tissue.CSF, Tissue.VENOUS_SINUS, Tissue.BACKGROUND)
        return outside & (self.depth > -1.5)

    @contextmanager
    def window(self, low: Sequence[int], high: Sequence[int]) -> "Iterator[Scene]":
        """Give a box of the scene to work on, voxels `low` to `high` cut to what there is.

        What is done to the box's image and enhancement is done to the scene. Most lesions are
        small: in a box they cost a tenth.
        """
        box = tuple(
            slice(min(max(a, 0), n - 1), max(min(b, n), 1))
            for a, b, n in zip(low, high, self.shape, strict=True)
        )
        part = Scene(**{f.name: getattr(self, f.name)[box] for f in fields(self) if f.init})
        yield part
        for name in ("image", "enhancement"):
            whole = getattr(self, name).clone()
            whole[box] = getattr(part, name)
            setattr(self, name, whole)

    def is_tissue(self, *tissues: Tissue) -> torch.Tensor:
        """Return the mask of the voxels of these tissues."""
        # Many times faster than torch.isin for these few; most are asked for several times.
        for tissue in tissues:
            if tissue not in self._masks:
                self._masks[tissue] = self.tissue == tissue
        return reduce(torch.logical_or, (self._masks[tissue] for tissue in tissues))

    def near(self, *tissues: Tissue, blocks: int = 2) -> torch.Tensor:
        """Return 1 within about 10 mm (6 of one block) of these tissues, falling to 0 over 4."""
        core = self.is_tissue(*tissues).float()
        coarse = F.max_pool3d(core[None], _BLOCK, ceil_mode=True)
        wider = F.max_pool3d(coarse, 2 * blocks + 1, stride=1, padding=blocks)
        return stretch(wider, self.shape)[0]

    def enhance(self, share: torch.Tensor, amount: torch.Tensor | float) -> None:
        """Let the voxels' `share` (0..1) enhance by `amount`, where they do not do so more yet."""
        self.enhancement = torch.maximum(self.enhancement, share * amount)

    def paint(self, share: torch.Tensor, intensity: torch.Tensor | float) -> None:
        """Blend `intensity` into the image before gadolinium by the voxels' `share` (0..1)."""
        self.image = self.image * (1 - share) + share * intensity
