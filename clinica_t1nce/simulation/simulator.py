"""Draw a head with and without gadolinium from an anatomy."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from clinica_t1nce.simulation import effects, scanner
from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.geometry import Placement
from clinica_t1nce.simulation.scanner import Stripping

IDENTITY_SHARE = 0.25
"""Share of pairs without any gadolinium, from which a network learns to leave a T1nce alone."""

_EMPTY = 0.05


@dataclass(frozen=True)
class Recipe:
    """All numbers of one simulated pair; the same recipe and anatomy give the same pair.

    Attributes
    ----------
    effects
        In the order in which they are applied.
    scale
        Error of the input scaling: white matter comes out at this value.
    """

    placement: Placement
    contrast: Contrast
    effects: tuple
    enhanced: bool
    scanner: tuple
    stripping: Stripping | None
    scale: float

    def numbers(self) -> dict:
        """Return the recipe as plain numbers, to write beside the pair."""
        named = asdict(self)
        for part in ("effects", "scanner"):
            named[part] = [
                {"effect": type(effect).__name__, **asdict(effect)}
                for effect in getattr(self, part)
            ]
        return named


@dataclass(frozen=True)
class Pair:
    """A simulated pair on one grid, intensities in units of white matter before gadolinium.

    Attributes
    ----------
    t1ce, t1nce, enhancement
        1 x D x H x W float32; ``t1ce - enhancement == t1nce``, noise and all.
    mask
        1 x D x H x W bool, False where the image was stripped.
    """

    t1ce: torch.Tensor
    enhancement: torch.Tensor
    mask: torch.Tensor

    @property
    def t1nce(self) -> torch.Tensor:
        """Return the image without gadolinium."""
        return self.t1ce - self.enhancement


def sample_gadolinium(rng: np.random.Generator, contrast: Contrast) -> list:
    """Draw the effects of one injection, in the order in which they are applied."""
    drawn = [
        effects.Sinuses.sample(rng, contrast),
        effects.ThinSinuses.sample(rng, contrast),
        effects.Arteries.sample(rng, contrast),
        effects.ChoroidPlexus.sample(rng, contrast),
        effects.DeepVeins.sample(rng, contrast),
        effects.Sella.sample(rng, contrast),
        effects.Dura.sample(rng, contrast),
        effects.DuralFolds.sample(rng, contrast),
        *(effects.SurfaceVessel.sample(rng, contrast) for _ in range(rng.integers(1, 4))),
        *(effects.FreeVessel.sample(rng, contrast) for _ in range(rng.integers(0, 3))),
        effects.Pia.sample(rng, contrast),
        effects.Sulci.sample(rng, contrast),
        effects.SulcalFilling.sample(rng, contrast),
        effects.Perfusion.sample(rng, contrast),
        effects.Extracranial.sample(rng, contrast),
    ]
    return [effect for effect in drawn if effect is not None]


def sample_recipe(rng: np.random.Generator, anatomy: Anatomy, shape: Sequence[int]) -> Recipe:
    """Draw all numbers of one pair of `shape` from `anatomy`."""
    contrast = Contrast.sample(rng)
    drawn = [
        effects.Fat.sample(rng, contrast),
        effects.Rim.sample(rng, contrast),
        effects.Folia.sample(rng, contrast),
        effects.Texture.sample(rng, contrast),
        effects.ThinTissue.sample(rng, contrast),
        effects.Inflow.sample(rng, contrast),
        *sample_gadolinium(rng, contrast),
        *effects.sample_disease(rng, contrast),
        effects.FlowGhosts.sample(rng, contrast),
    ]
    steps = [
        scanner.BiasField.sample(rng),
        scanner.PointSpread.sample(rng),
        scanner.Noise.sample(rng),
        scanner.ThickSlices.sample(rng),
    ]
    return Recipe(
        placement=Placement.sample(rng, anatomy),
        contrast=contrast,
        effects=tuple(effect for effect in drawn if effect is not None),
        enhanced=bool(rng.random() >= IDENTITY_SHARE),
        scanner=tuple(step for step in steps if step is not None),
        stripping=Stripping.sample(rng),
        scale=rng.uniform(0.8, 1.25),
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
    stored = torch.stack([scene.image, enhancement])
    for step in recipe.scanner:
        stored = step(stored)
    mask = (
        recipe.stripping.mask(scene)
        if recipe.stripping is not None
        else torch.ones_like(scene.tissue, dtype=torch.bool)
    )
    t1nce, enhancement = stored * mask * recipe.scale
    return Pair((t1nce + enhancement)[None], enhancement[None], mask[None])


def simulate(
    anatomies: Sequence[Anatomy],
    seed: int,
    shape: Sequence[int],
    device: torch.device | str = "cpu",
) -> Pair:
    """Draw one pair from one of the `anatomies`: the same seed gives the same pair.

    A patch that holds almost nothing of the head is drawn again.
    """
    rng = np.random.default_rng(seed)
    while True:
        anatomy = anatomies[int(rng.integers(len(anatomies)))]
        pair = realise(sample_recipe(rng, anatomy, shape), anatomy, shape, device)
        if pair.mask.float().mean() >= _EMPTY:
            return pair
