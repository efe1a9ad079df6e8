"""White matter is brightest where it is thin, or looks so."""

from dataclasses import dataclass

import numpy as np
from torch.nn import functional as F

from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.fields import generator, smooth_noise, stretch
from clinica_t1nce.simulation.scene import Scene
from clinica_t1nce.simulation.tissues import Tissue

_WHITE = (
    Tissue.WHITE_MATTER,
    Tissue.CEREBELLAR_WHITE_MATTER,
    Tissue.BRAINSTEM,
    Tissue.VENTRAL_DIENCEPHALON,
    Tissue.OPTIC_CHIASM,
)
_BLOCK = 4


@dataclass(frozen=True)
class ThinTissue:
    """Corpus callosum, blades of gyri, brainstem's edge, fornix: bright, uneven, not enhancing.

    A blade of white matter between two sulci is as thin and as bright as a vein, in both images:
    without such a counter-example a network takes it for one.

    Attributes
    ----------
    lift
        Mean change of the thinnest parts, relative.
    variation
        Standard deviation of the change, and its spacing in voxels.
    """

    lift: float
    variation: float
    spacing: float
    seed: int

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Contrast) -> "ThinTissue | None":
        """Draw; in two heads of three, by -5 to 30 %, uneven at 2 to 6 voxels."""
        if rng.random() < 0.33:
            return None
        return cls(
            lift=rng.uniform(-0.05, 0.3),
            variation=rng.uniform(0.02, 0.2),
            spacing=rng.uniform(2, 6),
            seed=int(rng.integers(2**31)),
        )

    def __call__(self, scene: Scene) -> None:
        """Brighten white matter by how little of it there is around."""
        white = scene.is_tissue(*_WHITE).float()
        around = F.avg_pool3d(white[None], _BLOCK, ceil_mode=True, count_include_pad=False)
        thin = white * (1 - stretch(around, scene.shape)[0])
        noise = smooth_noise(scene.shape, self.spacing, generator(self.seed, scene.device))
        scene.image = scene.image * (1 + thin * (self.lift + self.variation * noise))
