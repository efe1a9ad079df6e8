"""Which disease a patch shows, if any."""

from typing import Any

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.cavity import Cavity
from clinica_t1nce.simulation.effects.lesion import Lesion
from clinica_t1nce.simulation.effects.meningioma import Meningioma
from clinica_t1nce.simulation.effects.plaques import Plaques
from clinica_t1nce.simulation.effects.tumour import Tumour

KINDS: dict[type[Any], float] = {
    Lesion: 0.35,
    Tumour: 0.25,
    Plaques: 0.2,
    Meningioma: 0.1,
    Cavity: 0.1,
}
"""Share of each kind among the patches that show disease."""

SHARE = 0.4
"""Share of patches that show disease: far more than a brain's volume would, to learn from."""


def sample_disease(rng: np.random.Generator, contrast: Contrast) -> list:
    """Draw the lesions of one patch, which all are of one kind; usually none.

    Metastases are several small lesions.
    """
    if rng.random() >= SHARE:
        return []
    kind = list(KINDS)[rng.choice(len(KINDS), p=list(KINDS.values()))]
    count = rng.integers(1, 4) if kind is Lesion and rng.random() < 0.4 else 1
    return [kind.sample(rng, contrast) for _ in range(count)]
