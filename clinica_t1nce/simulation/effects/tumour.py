"""A large tumour such as a glioblastoma: irregular ring, mixed middle, oedema."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.blob import Blob
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import generator, patches, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Tumour:
    """A mass up to 25 mm in radius, in whose middle living and dead parts are mixed.

    Before gadolinium the ring is hardly told from gray matter, which is why its enhancement is
    all there is to see of it; blood and calcium make some spots bright in both images.

    Attributes
    ----------
    rim
        Thickness of the ring in mm, and how much it varies along it.
    solid, dead
        Intensity before gadolinium of what lives and of what does not.
    mixture
        Spacing in voxels and level of the living parts of the middle: below -1 the middle is
        dead, above 1 it enhances as a whole.
    middle_uptake
        Enhancement of the middle's living parts, as a share of the ring's.
    seepage
        Enhancement of the dead parts, into which gadolinium seeps with time, as a share.
    oedema
        Width in mm, strength, target intensity.
    blood
        Intensity of spots of blood, or None.
    """

    uptake: Patchy
    blob: Blob
    rim: tuple[float, float]
    solid: float
    dead: float
    mixture: tuple[float, float]
    middle_uptake: float
    seepage: float
    oedema: tuple[float, float, float]
    blood: float | None
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Tumour":
        """Draw; radius 6 to 25 mm, ring 1 to 6 mm."""
        return cls(
            uptake=Patchy.sample(rng, 0.2, 1.6, patchy=0.2),
            blob=Blob.sample(rng, 6, 25, bumps=rng.uniform(0.1, 0.3)),
            rim=(rng.uniform(1, 6), rng.uniform(0, 1.5)),
            solid=rng.uniform(min(contrast.gray, 0.9) - 0.1, 1.0),
            dead=rng.uniform(contrast.csf, contrast.gray),
            mixture=(rng.uniform(2, 8), rng.uniform(-1.5, 1.5)),
            middle_uptake=rng.uniform(0.2, 1),
            seepage=rng.uniform(0, 0.3) if rng.random() < 0.5 else 0.0,
            oedema=(rng.uniform(2, 20), rng.uniform(0.2, 0.9), rng.uniform(0.5, 0.95)),
            blood=rng.uniform(0.9, 1.6) if rng.random() < 0.25 else None,
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Paint the mass and its enhancement."""
        width, strength, target = self.oedema
        with self.blob.around(scene, width + 4) as (part, from_rim):
            random = generator(self.seed, scene.device)
            inside = part.intracranial & ~part.is_tissue(Tissue.VENOUS_SINUS)
            mass = soft_step(-from_rim, 0.5) * inside
            around = soft_step(width - from_rim, 2.0) * (part.outside_tissue < -0.5)
            part.paint(around * strength, target * part.image)
            thickness, variation = self.rim
            varied = thickness + variation * smooth_noise(part.shape, 5, random)
            middle = soft_step(-from_rim - varied.clamp_min(0.5), 0.6)
            living = 1 - middle * (1 - patches(part.shape, *self.mixture, 4, random))
            texture = 1 + 0.06 * smooth_noise(part.shape, 3, random)
            part.paint(mass, (self.dead + (self.solid - self.dead) * living) * texture)
            if self.blood is not None:
                part.paint(mass * patches(part.shape, 4, -1.8, 6, random), self.blood)
            uptake = (1 - middle) + middle * (
                living * self.middle_uptake + (1 - living) * self.seepage
            )
            share, amount = self.uptake.spread(mass * uptake)
            part.enhance(share, amount)
