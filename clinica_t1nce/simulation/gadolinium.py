"""Gadolinium and all that is drawn with it: the effects of one image, and their ranges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clinica_t1nce.simulation import effects
from clinica_t1nce.simulation.contrast import STRENGTH, Contrast
from clinica_t1nce.simulation.effects import Effect
from clinica_t1nce.simulation.ranges import Ranges, Uniform, check_fraction
from clinica_t1nce.simulation.relaxation import Injection

_METASTASES = 0.4
_FIRST = (
    effects.Fat,
    effects.Rim,
    effects.Folia,
    effects.Texture,
    effects.ThinTissue,
    effects.Callosum,
    effects.Fornix,
    effects.Inflow,
)
"""What is bright without gadolinium too; drawn first, so that vessels and lesions lie on it."""


@dataclass(frozen=True)
class Gadolinium:
    """Ranges that may be varied of gadolinium; the weights were trained with the defaults.

    Attributes
    ----------
    enhanced
        Fraction of pairs with gadolinium. From the others a network learns to leave a T1nce alone.
    injection
        Ranges of dose, time and agent, for the images whose contrast follows a sequence.
    strength
        Range of the factor on all enhancement, for the images whose contrast is drawn freely.
    disease
        Fraction of patches that show disease: far more than a brain's volume would, to learn from.
    effects
        Ranges that replace those of single effects, as
        ``effects.Dura.ranges(probability=1, uptake=(0.5, 1))`` makes them; look-alikes too.

    Raises
    ------
    ValueError
        If a fraction does not lie between 0 and 1, a range ends before it begins, or an effect has
        more than one entry.
    """

    enhanced: float = 0.75
    injection: Ranges[Injection] = Injection.ranges()
    strength: tuple[float, float] = STRENGTH
    disease: float = 0.4
    effects: Sequence[Ranges[Any]] = ()

    def __post_init__(self) -> None:
        """Check all that was given."""
        check_fraction("enhanced", self.enhanced)
        check_fraction("disease", self.disease)
        Uniform(*self.strength)
        kinds = [ranges.kind for ranges in self.effects]
        names = ", ".join(kind.__name__ for kind in kinds)
        if len(set(kinds)) < len(kinds) or not all(issubclass(kind, Effect) for kind in kinds):
            raise ValueError(f"effects {names}: give effects, and one entry for each")
        if self.injection.probability < 1:
            raise ValueError("injection: has no probability; enhanced is the fraction of pairs")

    def draw(
        self, rng: np.random.Generator, contrast: Contrast, *kinds: type[Effect]
    ) -> list[Effect]:
        """Draw an effect of each class, in order, but those that the image does not show."""
        given = {ranges.kind: ranges for ranges in self.effects}
        found = (given.get(kind, kind.ranges()).sample(rng, contrast) for kind in kinds)
        return [effect for effect in found if effect is not None]


USUAL = Gadolinium()
"""Gadolinium as the weights were trained with it."""


def sample_effects(
    rng: np.random.Generator, contrast: Contrast, gadolinium: Gadolinium = USUAL
) -> list[Effect]:
    """Draw all effects of one image, in the order in which they are applied.

    Parameters
    ----------
    rng
        Random generator.
    contrast
        Contrast of the image.
    gadolinium
        Ranges of the effects.
    """
    return [
        *gadolinium.draw(rng, contrast, *_FIRST),
        *sample_gadolinium(rng, contrast, gadolinium),
        *sample_disease(rng, contrast, gadolinium),
        *gadolinium.draw(rng, contrast, effects.FlowGhosts),
    ]


def sample_gadolinium(
    rng: np.random.Generator, contrast: Contrast, gadolinium: Gadolinium = USUAL
) -> list[Effect]:
    """Draw the effects of one injection; parameters as of :func:`sample_effects`."""

    def draw(*kinds: type[Effect]) -> list[Effect]:
        return gadolinium.draw(rng, contrast, *kinds)

    return [
        *draw(effects.Sinuses, effects.ThinSinuses, effects.Arteries, effects.ChoroidPlexus),
        *draw(effects.DeepVeins, effects.Sella, effects.Dura, effects.DuralFolds),
        *draw(*[effects.SurfaceVessel] * int(rng.integers(1, 3))),
        *draw(*[effects.FreeVessel] * int(rng.integers(0, 3))),
        *draw(effects.Pia, effects.Sulci, effects.SulcalFilling),
        *draw(effects.Perfusion, effects.Extracranial),
    ]


def sample_disease(
    rng: np.random.Generator, contrast: Contrast, gadolinium: Gadolinium = USUAL
) -> list[Effect]:
    """Draw the lesions of one patch, which all are of one kind; usually none.

    Metastases are several small lesions. Parameters as of :func:`sample_effects`.
    """
    if rng.random() >= gadolinium.disease:
        return []
    kind = list(effects.KINDS)[rng.choice(len(effects.KINDS), p=list(effects.KINDS.values()))]
    count = rng.integers(1, 4) if kind is effects.Lesion and rng.random() < _METASTASES else 1
    return gadolinium.draw(rng, contrast, *[kind] * int(count))
