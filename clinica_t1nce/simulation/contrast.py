"""The contrast between tissues before gadolinium, drawn wider than any scanner's."""

from dataclasses import dataclass

import numpy as np
import torch

from clinica_t1nce.simulation.tissues import Tissue

WIDE_VARIATION = 0.5
"""Share of heads whose deep tissues may be brighter than white matter, as they often are."""


@dataclass(frozen=True)
class Contrast:
    """Mean intensity of each tissue; white matter is 1, so that all else is relative to it.

    Attributes
    ----------
    means
        One value for each :class:`~clinica_t1nce.simulation.tissues.Tissue`.
    gray, csf
        The two that others are tied to: cortex and cerebrospinal fluid.
    """

    means: tuple[float, ...]
    gray: float
    csf: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Contrast":
        """Draw a T1-weighted contrast: CSF darker than cortex, cortex darker than white matter.

        Ranges cover MPRAGE and spoiled gradient echo at 1.5 T and 3 T and go beyond them on both
        sides, which is what lets a network generalise (Billot et al., SynthSeg, 2023).
        """
        gray = rng.uniform(0.5, 0.97)
        csf = min(rng.uniform(0.05, 0.55), gray - 0.1)

        def between(low: float, high: float) -> float:
            """Draw from cortex (0) to white matter (1)."""
            return gray + rng.uniform(low, high) * (1 - gray)

        def near(value: float, spread: float) -> float:
            return value + rng.uniform(-spread, spread)

        wide = rng.random() < WIDE_VARIATION
        blood = cls((), gray, csf).unenhanced_blood
        means = {
            Tissue.BACKGROUND: rng.uniform(0, 0.08),
            Tissue.WHITE_MATTER: 1.0,
            Tissue.CORTEX: gray,
            Tissue.LATERAL_VENTRICLE: csf,
            Tissue.THIRD_VENTRICLE: near(csf, 0.05),
            Tissue.FOURTH_VENTRICLE: near(csf, 0.05),
            Tissue.CEREBELLAR_WHITE_MATTER: rng.uniform(0.9, 1.2 if wide else 1.05),
            Tissue.CEREBELLAR_CORTEX: near(gray, 0.08),
            Tissue.THALAMUS: between(0.1, 1.1 if wide else 0.8),
            Tissue.CAUDATE: between(-0.1, 0.5),
            Tissue.PUTAMEN: between(0, 0.7),
            Tissue.PALLIDUM: between(0.3, 1.4 if wide else 1.2),
            Tissue.BRAINSTEM: rng.uniform(0.85, 1.25) if wide else between(0.4, 1.1),
            Tissue.HIPPOCAMPUS: near(gray, 0.06),
            Tissue.AMYGDALA: near(gray, 0.06),
            Tissue.ACCUMBENS: between(-0.1, 0.5),
            Tissue.VENTRAL_DIENCEPHALON: between(0.4, 1.4 if wide else 1.0),
            Tissue.CSF: near(csf, 0.05),
            Tissue.WHITE_MATTER_LESION: rng.uniform(gray - 0.15, 1.0),
            Tissue.CHOROID_PLEXUS: rng.uniform(csf, gray),
            Tissue.VENOUS_SINUS: blood(rng),
            # Fresh blood flows in unsaturated and is bright in a quarter of the images.
            Tissue.ARTERY: rng.uniform(0.9, 1.7) if rng.random() < 0.25 else blood(rng),
            Tissue.OPTIC_CHIASM: rng.uniform(0.6, 1),
            Tissue.EYE: rng.uniform(0.1, 0.6),
            Tissue.SOFT_TISSUE: rng.uniform(0.3, 0.9),
            Tissue.EYE_OTHER: rng.uniform(0.2, 1),
            Tissue.NASAL_CAVITY: rng.uniform(0.3, 0.9),
            Tissue.SKIN: rng.uniform(0.2, 1.6),
            Tissue.SPINAL_CORD: rng.uniform(0.7, 1),
            Tissue.COMPACT_BONE: rng.uniform(0, 0.5),
            # Marrow is fat or blood-forming: from dark to the brightest of the head.
            Tissue.BONE_MARROW: rng.uniform(0.2, 1.7),
        }
        noisy = [max(0.0, means[t] + rng.normal(0, 0.015)) for t in Tissue]
        return cls(tuple(noisy), gray, csf)

    def unenhanced_blood(self, rng: np.random.Generator) -> float:
        """Draw the intensity of slow blood, or of dura, before gadolinium."""
        return rng.uniform(self.csf * 0.6, max(0.8, self.csf + 0.1))

    def image(self, tissue: torch.Tensor) -> torch.Tensor:
        """Give each voxel of `tissue` its mean intensity."""
        return torch.tensor(self.means, device=tissue.device)[tissue]
