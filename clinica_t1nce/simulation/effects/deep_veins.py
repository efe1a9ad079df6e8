"""Internal cerebral veins, vein of Galen, and the veins of the ventricles' walls."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.fields import distance_to_zero, generator, smooth_noise, soft_step
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue

_BED = (
    Tissue.CSF,
    Tissue.BACKGROUND,
    Tissue.CHOROID_PLEXUS,
    Tissue.LATERAL_VENTRICLE,
    Tissue.THIRD_VENTRICLE,
    Tissue.VENOUS_SINUS,
)


@dataclass(frozen=True)
class DeepVeins:
    """A pair along the midline beside the ventricles, and a net on the ventricles' walls.

    Attributes
    ----------
    off_wall, off_midline
        Where the pair runs, in mm outside the ventricles and beside the midline.
    radius
        Of the pair in mm (2 to 3 mm across in adults), and of the net.
    winding
        Spacing in voxels of the noise whose zero set, on the wall, is the net.
    """

    blood: Patchy
    off_wall: float
    off_midline: float
    radius: float
    net: Patchy
    net_radius: float
    winding: float
    unenhanced: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "DeepVeins | None":
        """Draw; absent in one head of five."""
        if rng.random() < 0.2:
            return None
        return cls(
            blood=Patchy.sample(rng, 0.3, 1.8, patchy=0.6),
            off_wall=rng.uniform(0.5, 4),
            off_midline=rng.uniform(0.5, 2),
            radius=rng.uniform(0.6, 1.6),
            net=Patchy.sample(rng, 0.1, 1.0, patchy=0.6),
            net_radius=rng.uniform(0.3, 0.9),
            winding=rng.uniform(5, 14),
            unenhanced=contrast.unenhanced_blood(rng),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Draw pair and net into the image and its enhancement."""
        random = generator(self.seed, scene.device)
        noise = smooth_noise(scene.shape, self.winding, random)
        sideways = scene.falx - self.off_midline
        pair = torch.hypot(scene.ventricle - self.off_wall - 0.7 * noise, sideways)
        # They run in the fluid on the roof of the third ventricle. Farther on, and above them, the
        # midline is callosum, fornix and septum, which look like a vein and are none.
        where = scene.is_tissue(*_BED) * scene.near(Tissue.THIRD_VENTRICLE, blocks=1)
        share, amount = self.blood.spread(soft_step(self.radius - pair, 0.25) * where)
        # The label maps know no such vein: a faint one lies in what they call tissue.
        scene.paint(share, self.unenhanced)
        scene.enhance(share, amount)
        net = torch.hypot(scene.ventricle - 0.5, distance_to_zero(noise))
        scene.enhance(*self.net.spread(soft_step(self.net_radius - net, 0.25)))
