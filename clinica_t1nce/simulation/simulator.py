"""Simulate an image with and without gadolinium from an anatomy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType
from typing import Any

import cattrs
import numpy as np
import torch

from clinica_t1nce.simulation import effects, scanner
from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects import Effect
from clinica_t1nce.simulation.gadolinium import USUAL, Gadolinium, sample_effects
from clinica_t1nce.simulation.geometry import Placement
from clinica_t1nce.simulation.relaxation import GradientEcho, Mprage, SpinEcho
from clinica_t1nce.simulation.scanner import (
    LOW,
    VARIED,
    Acquisition,
    Defacing,
    FieldOfView,
    Misregistration,
    Quality,
    Stripping,
)
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import BRAIN, Tissue

PRESETS: dict[str, Quality] = {"varied": VARIED, "low-quality": LOW}
"""Quality of the images, by name."""

_EMPTY = 0.05
_DEFACED = 0.4


@dataclass(frozen=True)
class SecondScan:
    """The T1nce as a scan of its own: nothing of the first scan's noise, field or mask is in it.

    Attributes
    ----------
    misregistration
        Motion from where the anatomy lay in the first scan.
    acquisition
        Steps and gain of the scan.
    stripping
        Brain mask, None for a whole head.
    """

    misregistration: Misregistration
    acquisition: Acquisition
    stripping: Stripping | None

    @classmethod
    def sample(cls, rng: np.random.Generator, quality: Quality, stripped: bool) -> "SecondScan":
        """Draw; stripped if the first scan is."""
        return cls(
            misregistration=Misregistration.sample(rng),
            acquisition=Acquisition.sample(rng, quality),
            stripping=Stripping.draw(rng) if stripped else None,
        )


@dataclass(frozen=True)
class Recipe:
    """All numbers of one simulated pair; the same recipe and anatomy give the same pair.

    Attributes
    ----------
    placement
        Position of the grid in the anatomy.
    contrast
        Contrast before gadolinium, sequence and injection.
    effects
        Effects in the order in which they are applied.
    enhanced
        Whether there is gadolinium at all.
    acquisition
        Scan of the T1ce, and of its twin without gadolinium.
    stripping, defacing, field_of_view
        Parts that are cut off, or None.
    second
        Scan that made an independent T1nce, or None.
    """

    placement: Placement
    contrast: Contrast
    effects: tuple[Effect, ...]
    enhanced: bool
    acquisition: Acquisition
    stripping: Stripping | None
    defacing: Defacing | None
    field_of_view: FieldOfView | None = None
    second: SecondScan | None = None

    def about(self, centre: Sequence[float], **placement: Any) -> "Recipe":
        """Place it about another voxel of the anatomy, for a whole head its middle.

        Parameters
        ----------
        centre
            Voxel of the anatomy at the middle of the grid.
        **placement
            Other attributes of the :class:`~clinica_t1nce.simulation.geometry.Placement`.

        Returns
        -------
        Recipe
            Recipe of the same image: planes that cut it move with it.
        """
        moved = replace(self.placement, centre=tuple(centre), **placement)
        old, defacing, field_of_view = self.placement, self.defacing, self.field_of_view
        return replace(
            self,
            placement=moved,
            defacing=defacing and defacing.moved(old, moved),
            field_of_view=field_of_view and field_of_view.moved(old, moved),
        )


@dataclass(frozen=True)
class SimulatedPair:
    """A simulated pair on one grid, intensities in units of white matter before gadolinium.

    All are 1 x D x H x W.

    Attributes
    ----------
    t1ce, enhancement
        Image, and its enhancement, float32; their difference is the twin without gadolinium, noise
        and all.
    mask
        Boolean mask, False where the image was stripped or defaced.
    intracranial
        Boolean mask, True within the skull.
    second_t1nce
        T1nce, float32, of a scan of its own: own noise, field, blur, motion, mask and scale,
        and not quite in the same place; None if not asked for.
    """

    t1ce: torch.Tensor
    enhancement: torch.Tensor
    mask: torch.Tensor
    intracranial: torch.Tensor
    second_t1nce: torch.Tensor | None = None

    @property
    def t1nce(self) -> torch.Tensor:
        """Return the twin: the image without gadolinium."""
        return self.t1ce - self.enhancement


def sample_recipe(
    rng: np.random.Generator,
    anatomy: Anatomy,
    shape: Sequence[int],
    preset: str | Quality = "varied",
    second_scan: bool = False,
    gadolinium: Gadolinium = USUAL,
) -> Recipe:
    """Draw all numbers of one pair of `shape` from `anatomy`.

    Parameters
    ----------
    rng
        Random generator.
    anatomy
        Anatomy to draw from.
    shape
        Shape of the pair, D, H, W.
    preset
        Quality of the images, or a key of :data:`PRESETS`.
    second_scan
        Whether to draw an independent T1nce as well; all else stays the same.
    gadolinium
        Ranges of injection and effects.

    Returns
    -------
    Recipe
        Numbers for :func:`render`.
    """
    quality = PRESETS[preset] if isinstance(preset, str) else preset
    contrast = Contrast.sample(rng, gadolinium.injection, gadolinium.strength)
    contrast = contrast.flattened(rng.uniform(*quality.contrast))
    drawn = tuple(sample_effects(rng, contrast, gadolinium))
    placement = Placement.sample(rng, anatomy)
    stripping = Stripping.sample(rng)
    defaced = stripping is None and rng.random() < _DEFACED
    # Drawn in any case, so that a second scan changes nothing of what is drawn after it.
    second = np.random.default_rng(int(rng.integers(2**31)))
    return Recipe(
        placement=placement,
        contrast=contrast,
        effects=drawn,
        enhanced=bool(rng.random() >= 1 - gadolinium.enhanced),
        acquisition=Acquisition.sample(rng, quality),
        stripping=stripping,
        defacing=Defacing.sample(rng, placement, anatomy) if defaced else None,
        field_of_view=FieldOfView.sample(rng, placement, anatomy),
        second=SecondScan.sample(second, quality, stripping is not None) if second_scan else None,
    )


@torch.no_grad()
def render(
    recipe: Recipe,
    anatomy: Anatomy,
    shape: Sequence[int],
    device: torch.device | str = "cpu",
    brain: torch.Tensor | None = None,
) -> SimulatedPair:
    """Make the pair that `recipe` describes.

    Parameters
    ----------
    recipe
        Numbers from :func:`sample_recipe`.
    anatomy
        Anatomy that they were drawn for.
    shape
        Shape of the pair, D, H, W.
    device
        Device that computes and that holds the result.
    brain
        Boolean mask, D x H x W, of another brain that will be put there: what of the anatomy's own
        lies outside of it becomes fluid. None: the anatomy keeps its brain.
    """
    scene = recipe.placement.place(anatomy, tuple(shape), device)
    if brain is not None:
        own = torch.isin(scene.tissue, torch.tensor(BRAIN, device=device))
        scene.tissue[own & ~brain] = Tissue.CSF
    scene.image = recipe.contrast.image(scene.tissue)
    for effect in recipe.effects:
        effect(scene)
    # Effects also paint vessels and lesions, which a T1nce has too: only gadolinium is taken out.
    enhancement = (
        recipe.contrast.enhancement(scene.image, scene.enhancement)
        if recipe.enhanced
        else torch.zeros_like(scene.image)
    )
    mask = torch.ones_like(scene.tissue, dtype=torch.bool)
    for cut in (recipe.stripping, recipe.defacing, recipe.field_of_view):
        if cut is not None:
            mask = mask & cut.mask(scene)
    t1nce, enhancement = recipe.acquisition(scene.image, enhancement) * mask
    second = _second_t1nce(recipe.second, scene, recipe.defacing) if recipe.second else None
    return SimulatedPair(
        (t1nce + enhancement)[None],
        enhancement[None],
        mask[None],
        scene.intracranial[None],
        second,
    )


def _second_t1nce(scan: SecondScan, scene: Scene, defacing: Defacing | None) -> torch.Tensor:
    mask = torch.ones_like(scene.image)
    for cut in (scan.stripping, defacing):
        if cut is not None:
            mask = mask * cut.mask(scene)
    image, mask = scan.misregistration(torch.stack([scene.image, mask]))
    stored, _ = scan.acquisition(image, torch.zeros_like(image))
    return (stored * (mask > 0.5))[None]


def simulate(
    anatomies: Sequence[Anatomy],
    seed: int,
    shape: Sequence[int],
    device: torch.device | str = "cpu",
    preset: str | Quality = "varied",
    second_scan: bool = False,
    gadolinium: Gadolinium = USUAL,
) -> SimulatedPair:
    """Draw one pair from one of the `anatomies`: the same seed gives the same pair.

    A patch that holds almost nothing of the head is drawn again.

    Parameters
    ----------
    anatomies
        Anatomies to draw from.
    seed
        Seed of all numbers.
    shape
        Shape of the pair, D, H, W.
    device
        Device that computes and that holds the result.
    preset, second_scan, gadolinium
        Settings as of :func:`sample_recipe`.
    """
    rng = np.random.default_rng(seed)
    while True:
        anatomy = anatomies[int(rng.integers(len(anatomies)))]
        recipe = sample_recipe(rng, anatomy, shape, preset, second_scan, gadolinium)
        pair = render(recipe, anatomy, shape, device)
        if pair.mask.float().mean() >= _EMPTY:
            return pair


def numbers_of(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as plain numbers, fit for JSON; :func:`recipe_of` undoes it."""
    numbers: dict[str, Any] = _converter().unstructure(recipe)
    return numbers


def recipe_of(numbers: Mapping[str, Any]) -> Recipe:
    """Undo :func:`numbers_of`, through JSON as well.

    With the anatomy of the same label map and the same shape, the recipe makes the same pair.

    Parameters
    ----------
    numbers
        Numbers that a sidecar of ``clinica-t1nce simulate`` holds as ``Simulation`` / ``Recipe``.

    Raises
    ------
    AttributeError, KeyError, TypeError, ValueError
        If they were not written by this version.
    """
    return _converter().structure(numbers, Recipe)


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False)
    _name_class(converter, "effect", effects.Effect, effects)
    _name_class(converter, "step", scanner.Step, scanner)
    sequences = {kind.kind: kind for kind in (Mprage, GradientEcho, SpinEcho)}
    converter.register_structure_hook(
        Mprage | GradientEcho | SpinEcho,
        lambda numbers, _: converter.structure(numbers, sequences[numbers["kind"]]),
    )
    return converter


def _name_class(converter: cattrs.Converter, key: str, base: type, room: ModuleType) -> None:
    """Let the parts of a recipe that are of some class below `base` name it under `key`."""

    def write(part: Any) -> dict[str, Any]:
        return {key: type(part).__name__, **converter.unstructure(part)}

    def read(numbers: Mapping[str, Any], _: Any) -> Any:
        return converter.structure(numbers, getattr(room, numbers[key]))

    converter.register_unstructure_hook_func(lambda kind: kind is base, write)
    converter.register_structure_hook_func(lambda kind: kind is base, read)
