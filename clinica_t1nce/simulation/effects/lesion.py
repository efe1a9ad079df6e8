"""A small lesion: a metastasis, a lymphoma, an abscess, or nothing that has a name."""

from dataclasses import dataclass

import numpy as np

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.blob import Blob
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import generator, patches, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Lesion:
    """A bumpy ellipsoid: oedema around, core that enhances, necrosis inside.

    Core, oedema and necrosis are painted into the image, enhancing or not, so that a network
    learns to take away the enhancement and to leave the lesion. All ranges are wider than what
    metastases look like on T1-weighted images.
    """

    uptake: Patchy
    blob: Blob
    core: float
    oedema: tuple[float, float, float] | None
    necrosis: tuple[float, float] | None
    clumps: tuple[float, float]
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Lesion":
        """Draw; radius 1.5 to 14 mm, above 4 mm half of them have a necrotic middle."""
        blob = Blob.sample(rng, 1.5, 14)
        oedema = (
            rng.uniform(2, 14),
            rng.uniform(0.3, 0.9),
            min(contrast.gray, rng.uniform(0.4, 1)),
        )
        necrosis = (rng.uniform(1.2, 4), rng.uniform(contrast.csf, 0.8))
        return cls(
            uptake=Patchy.sample(rng, 0.15, 1.5, patchy=0),
            blob=blob,
            core=rng.uniform(contrast.csf, 1.0),
            oedema=oedema if rng.random() < 0.6 else None,
            necrosis=necrosis if blob.radius > 4 and rng.random() < 0.55 else None,
            clumps=(rng.uniform(2, 6), rng.uniform(-0.5, 1.5)),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Paint the lesion and its enhancement."""
        margin = self.oedema[0] + 4 if self.oedema is not None else 2
        with self.blob.around(scene, margin) as (part, from_rim):
            random = generator(self.seed, scene.device)
            core = soft_step(-from_rim, 0.5) * (
                part.intracranial & ~part.is_tissue(Tissue.VENOUS_SINUS)
            )
            if self.oedema is not None:
                width, strength, target = self.oedema
                around = soft_step(width - from_rim, 2.0) * (part.outside_tissue < -0.5)
                part.paint(around * strength, target)
            texture = 1 + 0.08 * smooth_noise(part.shape, 4, random)
            part.paint(core, self.core * texture)
            if self.necrosis is not None:
                rim_width, intensity = self.necrosis
                middle = soft_step(-from_rim - rim_width, 0.6) * core
                part.paint(middle, intensity)
                core = core * (1 - middle)
            share, amount = self.uptake.spread(core)
            part.enhance(share * patches(part.shape, *self.clumps, 3, random), amount)
