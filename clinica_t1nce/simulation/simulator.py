"""Draw a head with and without gadolinium from an anatomy."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from clinica_t1nce.simulation import effects
from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.geometry import Placement
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

IDENTITY_SHARE = 0.25
"""Share of pairs without any gadolinium, from which a network learns to leave a T1nce alone."""

PRESETS: dict[str, Quality] = {"varied": VARIED, "low-quality": LOW}
"""How good the images are, by name."""

_EMPTY = 0.05
_DEFACED = 0.4


@dataclass(frozen=True)
class SecondScan:
    """The T1nce as a scan of its own: nothing of the first scan's noise, field or mask is in it.

    Attributes
    ----------
    misregistration
        How the head lies beside where it lay in the first scan.
    acquisition
        All that the scan does.
    stripping
        Its brain mask, None for a whole head.
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
    effects
        In the order in which they are applied.
    enhanced
        Whether there is gadolinium at all.
    acquisition
        Of the T1ce, and of its twin without gadolinium.
    stripping, defacing, field_of_view
        What is cut off, or None.
    second
        The scan that made an independent T1nce, or None.
    """

    placement: Placement
    contrast: Contrast
    effects: tuple
    enhanced: bool
    acquisition: Acquisition
    stripping: Stripping | None
    defacing: Defacing | None
    field_of_view: FieldOfView | None = None
    second: SecondScan | None = None

    def about(self, centre: Sequence[float], **placement: Any) -> "Recipe":
        """Place it about another voxel of the head, for a whole head its middle.

        Parameters
        ----------
        centre
            Voxel of the head at the middle of the grid.
        **placement
            Other attributes of the :class:`~clinica_t1nce.simulation.geometry.Placement`.

        Returns
        -------
        Recipe
            The same head: planes that cut it move with it.
        """
        moved = replace(self.placement, centre=tuple(centre), **placement)
        old, defacing, field_of_view = self.placement, self.defacing, self.field_of_view
        return replace(
            self,
            placement=moved,
            defacing=defacing and defacing.moved(old, moved),
            field_of_view=field_of_view and field_of_view.moved(old, moved),
        )

    def numbers(self) -> dict[str, Any]:
        """Return the recipe as plain numbers, to write beside the pair.

        Returns
        -------
        dict
            Fit for JSON; :func:`clinica_t1nce.simulation.records.recipe_of` undoes it.
        """
        named = asdict(self)
        named["effects"] = [
            {"effect": type(effect).__name__, **asdict(effect)} for effect in self.effects
        ]
        named["acquisition"] = self.acquisition.numbers()
        if self.second is not None:
            named["second"]["acquisition"] = self.second.acquisition.numbers()
        return named


@dataclass(frozen=True)
class Pair:
    """A simulated pair on one grid, intensities in units of white matter before gadolinium.

    All are 1 x D x H x W, or N x 1 x D x H x W for a batch.

    Attributes
    ----------
    t1ce, enhancement
        float32; ``t1ce - enhancement`` is the twin without gadolinium, noise and all.
    mask
        bool, False where the image was stripped or defaced.
    intracranial
        bool, True within the skull.
    second_t1nce
        float32, the T1nce of a scan of its own: own noise, field, blur, motion, mask and scale,
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


def sample_gadolinium(rng: np.random.Generator, contrast: Contrast) -> list:
    """Draw the effects of one injection, in the order in which they are applied.

    Parameters
    ----------
    rng
        Source of all numbers.
    contrast
        Of the head.

    Returns
    -------
    list
        Instances of classes in :mod:`clinica_t1nce.simulation.effects`.
    """
    drawn = [
        effects.Sinuses.sample(rng, contrast),
        effects.ThinSinuses.sample(rng, contrast),
        effects.Arteries.sample(rng, contrast),
        effects.ChoroidPlexus.sample(rng, contrast),
        effects.DeepVeins.sample(rng, contrast),
        effects.Sella.sample(rng, contrast),
        effects.Dura.sample(rng, contrast),
        effects.DuralFolds.sample(rng, contrast),
        *(effects.SurfaceVessel.sample(rng, contrast) for _ in range(rng.integers(1, 3))),
        *(effects.FreeVessel.sample(rng, contrast) for _ in range(rng.integers(0, 3))),
        effects.Pia.sample(rng, contrast),
        effects.Sulci.sample(rng, contrast),
        effects.SulcalFilling.sample(rng, contrast),
        effects.Perfusion.sample(rng, contrast),
        effects.Extracranial.sample(rng, contrast),
    ]
    return [effect for effect in drawn if effect is not None]


def sample_recipe(
    rng: np.random.Generator,
    anatomy: Anatomy,
    shape: Sequence[int],
    preset: str = "varied",
    second_scan: bool = False,
) -> Recipe:
    """Draw all numbers of one pair of `shape` from `anatomy`.

    Parameters
    ----------
    rng
        Source of all numbers.
    anatomy
        To draw from.
    shape
        D, H, W.
    preset
        A key of :data:`PRESETS`.
    second_scan
        Draw an independent T1nce as well; all else stays the same.

    Returns
    -------
    Recipe
        For :func:`realise`.
    """
    quality = PRESETS[preset]
    contrast = Contrast.sample(rng).flattened(rng.uniform(*quality.contrast))
    drawn = [
        effects.Fat.sample(rng, contrast),
        effects.Rim.sample(rng, contrast),
        effects.Folia.sample(rng, contrast),
        effects.Texture.sample(rng, contrast),
        effects.ThinTissue.sample(rng, contrast),
        effects.Callosum.sample(rng, contrast),
        effects.Fornix.sample(rng, contrast),
        effects.Inflow.sample(rng, contrast),
        *sample_gadolinium(rng, contrast),
        *effects.sample_disease(rng, contrast),
        effects.FlowGhosts.sample(rng, contrast),
    ]
    placement = Placement.sample(rng, anatomy)
    stripping = Stripping.sample(rng)
    defaced = stripping is None and rng.random() < _DEFACED
    # Drawn in any case, so that a second scan changes nothing of what is drawn after it.
    second = np.random.default_rng(int(rng.integers(2**31)))
    return Recipe(
        placement=placement,
        contrast=contrast,
        effects=tuple(effect for effect in drawn if effect is not None),
        enhanced=bool(rng.random() >= IDENTITY_SHARE),
        acquisition=Acquisition.sample(rng, quality),
        stripping=stripping,
        defacing=Defacing.sample(rng, placement, anatomy) if defaced else None,
        field_of_view=FieldOfView.sample(rng, placement, anatomy),
        second=SecondScan.sample(second, quality, stripping is not None) if second_scan else None,
    )


@torch.no_grad()
def realise(
    recipe: Recipe, anatomy: Anatomy, shape: Sequence[int], device: torch.device | str = "cpu"
) -> Pair:
    """Make the pair that `recipe` describes.

    Parameters
    ----------
    recipe
        From :func:`sample_recipe`.
    anatomy
        The head it was drawn for.
    shape
        D, H, W.
    device
        Where to compute and to leave the result.

    Returns
    -------
    Pair
        On `device`.
    """
    scene = recipe.placement.place(anatomy, tuple(shape), device)
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
    return Pair(
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
    preset: str = "varied",
    second_scan: bool = False,
) -> Pair:
    """Draw one pair from one of the `anatomies`: the same seed gives the same pair.

    A patch that holds almost nothing of the head is drawn again.

    Parameters
    ----------
    anatomies
        Heads to draw from.
    seed
        Of all numbers.
    shape
        D, H, W.
    device
        Where to compute and to leave the result.
    preset, second_scan
        As :func:`sample_recipe`.

    Returns
    -------
    Pair
    """
    rng = np.random.default_rng(seed)
    while True:
        anatomy = anatomies[int(rng.integers(len(anatomies)))]
        recipe = sample_recipe(rng, anatomy, shape, preset, second_scan)
        pair = realise(recipe, anatomy, shape, device)
        if pair.mask.float().mean() >= _EMPTY:
            return pair


def simulate_batch(
    anatomies: Sequence[Anatomy],
    seeds: Sequence[int],
    shape: Sequence[int],
    device: torch.device | str = "cpu",
    preset: str = "varied",
    second_scan: bool = False,
) -> Pair:
    """Draw a batch of pairs, each as :func:`simulate` does with its seed.

    Parameters
    ----------
    anatomies, shape, device, preset, second_scan
        As :func:`simulate`.
    seeds
        One a pair.

    Returns
    -------
    Pair
        Stacked: N x 1 x D x H x W.
    """
    pairs = [simulate(anatomies, seed, shape, device, preset, second_scan) for seed in seeds]
    stacked = {
        name: torch.stack([getattr(pair, name) for pair in pairs])
        for name in ("t1ce", "enhancement", "mask", "intracranial")
    }
    seconds = [pair.second_t1nce for pair in pairs if pair.second_t1nce is not None]
    return Pair(**stacked, second_t1nce=torch.stack(seconds) if seconds else None)
