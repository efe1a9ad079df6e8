"""Plaques of multiple sclerosis, of which a few enhance."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.blob import Blob
from clinica_t1nce.simulation.fields import soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Plaques:
    """Small dark ovals in white matter: black holes, or active and enhancing whole or as a ring.

    Attributes
    ----------
    plaques
        For each: where, intensity relative to the tissue, enhancement (0: inactive), width of
        the enhancing ring in mm (None: the whole plaque).
    """

    plaques: tuple[tuple[Blob, float, float, float | None], ...]

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Plaques":
        """Draw one to five plaques of 1.5 to 7 mm; a third enhance, by 0.1 to 1."""

        def plaque() -> tuple[Blob, float, float, float | None]:
            amount = rng.uniform(0.1, 1.0) if rng.random() < 0.35 else 0.0
            ring = rng.uniform(0.8, 2) if rng.random() < 0.4 else None
            return Blob.sample(rng, 1.5, 7, bumps=0.1), rng.uniform(0.5, 0.98), amount, ring

        return cls(tuple(plaque() for _ in range(rng.integers(1, 6))))

    def __call__(self, scene: Scene) -> None:
        """Darken each plaque and let the active ones enhance."""
        for blob, intensity, amount, ring in self.plaques:
            with blob.around(scene, 2) as (part, from_rim):
                white = part.is_tissue(
                    Tissue.WHITE_MATTER,
                    Tissue.WHITE_MATTER_LESION,
                    Tissue.CEREBELLAR_WHITE_MATTER,
                    Tissue.BRAINSTEM,
                )
                oval = soft_step(-from_rim, 0.5) * white
                part.paint(oval, intensity * part.image)
                if amount:
                    shell = oval if ring is None else oval * soft_step(from_rim + ring, 0.3)
                    part.enhance(shell, amount)
