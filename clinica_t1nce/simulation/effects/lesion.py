"""A lesion: metastasis, ring-enhancing tumour with necrosis and oedema, plaque."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import generator, patches, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue


@dataclass(frozen=True)
class Lesion:
    """A bumpy ellipsoid: oedema around, core that enhances, necrosis inside.

    Core, oedema and necrosis are painted into the image, enhancing or not, so that a network
    learns to take away the enhancement and to leave the lesion.

    Attributes
    ----------
    centre
        As a share (0..1) of each axis.
    radius
        In mm; lesions above 4 mm may have a necrotic middle.
    """

    uptake: Patchy
    centre: tuple[float, float, float]
    stretch: tuple[float, float, float]
    radius: float
    core: float
    oedema: tuple[float, float, float] | None
    necrosis: tuple[float, float] | None
    clumps: tuple[float, float]
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "Lesion | None":
        """Draw; three patches in ten hold one."""
        if rng.random() < 0.7:
            return None
        radius = rng.uniform(1.5, 14)
        oedema = (
            rng.uniform(2, 14),
            rng.uniform(0.3, 0.9),
            min(contrast.gray, rng.uniform(0.4, 1)),
        )
        necrosis = (rng.uniform(1.2, 4), rng.uniform(contrast.csf, 0.8))
        return cls(
            uptake=Patchy.sample(rng, 0.15, 1.5, patchy=0),
            centre=tuple(rng.uniform(0.12, 0.88, 3).tolist()),
            stretch=tuple(rng.uniform(0.7, 1.4, 3).tolist()),
            radius=radius,
            core=rng.uniform(contrast.csf, 1.0),
            oedema=oedema if rng.random() < 0.6 else None,
            necrosis=necrosis if radius > 4 and rng.random() < 0.55 else None,
            clumps=(rng.uniform(2, 6), rng.uniform(-0.5, 1.5)),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Paint the lesion and its enhancement."""
        random = generator(self.seed, scene.device)
        from_rim = self._distance_from_rim(scene, random)
        core = soft_step(-from_rim, 0.5) * (
            scene.intracranial & ~scene.is_tissue(Tissue.VENOUS_SINUS)
        )
        if self.oedema is not None:
            width, strength, target = self.oedema
            around = soft_step(width - from_rim, 2.0) * (scene.outside_tissue < -0.5)
            scene.image = scene.image + around * strength * (target - scene.image)
        texture = 1 + 0.08 * smooth_noise(scene.shape, 4, random)
        scene.paint(core, self.core * texture)
        if self.necrosis is not None:
            rim_width, intensity = self.necrosis
            middle = soft_step(-from_rim - rim_width, 0.6) * core
            scene.paint(middle, intensity)
            core = core * (1 - middle)
        share, amount = self.uptake.spread(core)
        scene.enhance(share * patches(scene.shape, *self.clumps, 3, random), amount)

    def _distance_from_rim(self, scene: Scene, random: torch.Generator) -> torch.Tensor:
        axes = [
            (torch.arange(n, device=scene.device) - c * n) * s
            for n, c, s in zip(scene.shape, self.centre, self.stretch, strict=True)
        ]
        x, y, z = torch.meshgrid(*axes, indexing="ij")
        bumps = smooth_noise(scene.shape, max(2.0, self.radius * 0.5), random)
        return torch.sqrt(x**2 + y**2 + z**2) + 0.25 * self.radius * bumps - self.radius
