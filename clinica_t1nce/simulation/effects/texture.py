"""Tissue is never of one colour."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import WIDE_VARIATION, Contrast
from clinica_t1nce.simulation.fields import generator, smooth_noise
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Texture:
    """Fine and coarse variation within tissues, and clutter in the fluid (arachnoid, flow).

    Attributes
    ----------
    bands
        Spacing in voxels and relative standard deviation of each band of noise.
    clutter
        Spacing and size of bright clutter in fluid, or None.
    """

    bands: tuple[tuple[float, float], ...]
    clutter: tuple[float, float] | None
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Texture":
        """Draw; always present."""
        bands = [
            (rng.uniform(1.5, 4), rng.uniform(0, 0.04)),
            (rng.uniform(4, 15), rng.uniform(0, 0.04)),
        ]
        if rng.random() < WIDE_VARIATION:
            bands.append((rng.uniform(3, 11), rng.uniform(0, 0.09)))
        clutter = (rng.uniform(1.5, 4), rng.uniform(0, 0.12)) if rng.random() < 0.5 else None
        return cls(tuple(bands), clutter, int(rng.integers(2**31)))

    def __call__(self, scene: Scene) -> None:
        """Multiply the image by the bands and add the clutter."""
        random = generator(self.seed, scene.device)
        for spacing, size in self.bands:
            scene.image = scene.image * (1 + size * smooth_noise(scene.shape, spacing, random))
        if self.clutter is not None:
            spacing, size = self.clutter
            fluid = scene.is_tissue(Tissue.CSF, Tissue.CHOROID_PLEXUS, Tissue.VENOUS_SINUS)
            noise = smooth_noise(scene.shape, spacing, random).abs()
            scene.image = scene.image + fluid * size * noise
