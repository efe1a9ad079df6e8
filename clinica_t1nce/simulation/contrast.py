"""The contrast between tissues before gadolinium, and what a dose of it does.

Half of the images follow the signal equation of a sequence, the others are drawn freely, wider than
any scanner's.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from clinica_t1nce.simulation.ranges import Ranges
from clinica_t1nce.simulation.relaxation import Injection, Relaxation, sample_relaxation
from clinica_t1nce.simulation.tissues import Tissue

RELAXOMETRIC = 0.5
"""Fraction of images whose contrast follows a signal equation."""

BRIGHT_ARTERIES = 0.25
"""Fraction of images in which fresh blood flows in unsaturated."""

WIDE_VARIATION = 0.5
"""Fraction of images whose deep tissues may be brighter than white matter, as they often are."""

STRENGTH = (0.6, 1.3)
"""Range of the factor on all enhancement where the contrast is drawn freely."""


@dataclass(frozen=True)
class Contrast:
    """Mean intensity of each tissue; white matter is 1, so that all else is relative to it.

    Attributes
    ----------
    means
        Mean intensity of each :class:`~clinica_t1nce.simulation.tissues.Tissue`.
    gray, csf
        Intensities that others are tied to: of cortex and of cerebrospinal fluid.
    strength
        Factor on all enhancement: dose and time.
    relaxation
        Sequence and injection, which give the enhancement instead; None where drawn freely.
    """

    means: tuple[float, ...]
    gray: float
    csf: float
    strength: float = 1.0
    relaxation: Relaxation | None = None

    @classmethod
    def sample(
        cls,
        rng: np.random.Generator,
        injection: Ranges[Injection] | None = None,
        strength: tuple[float, float] = STRENGTH,
    ) -> "Contrast":
        """Draw a contrast of either kind.

        Parameters
        ----------
        rng
            Random generator.
        injection
            Ranges of dose, time and agent where a sequence is simulated; None: their own.
        strength
            Range of the factor on all enhancement where the contrast is drawn freely.
        """
        if rng.random() < RELAXOMETRIC:
            return cls.sample_sequence(rng, injection)
        return cls.sample_freely(rng, strength)

    @classmethod
    def sample_sequence(
        cls, rng: np.random.Generator, injection: Ranges[Injection] | None = None
    ) -> "Contrast":
        """Draw field strength, sequence and relaxation times until they are T1-weighted."""
        while True:
            relaxation, means = sample_relaxation(rng, injection)
            gray, csf = means[Tissue.CORTEX], means[Tissue.CSF]
            if 0.4 < gray < 0.97 and csf <= gray - 0.1:
                break
        means[Tissue.BACKGROUND] = rng.uniform(0, 0.08)
        # What inflow, flow voids and turbulence make of blood is in no signal equation.
        for blood in (Tissue.VENOUS_SINUS, Tissue.ARTERY):
            means[blood] *= rng.uniform(0.3, 1.2)
        if rng.random() < BRIGHT_ARTERIES:
            means[Tissue.ARTERY] = rng.uniform(0.9, 1.7)
        return cls(tuple(means[t] for t in Tissue), gray, csf, relaxation=relaxation)

    @classmethod
    def sample_freely(
        cls, rng: np.random.Generator, strength: tuple[float, float] = STRENGTH
    ) -> "Contrast":
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
            Tissue.ARTERY: (
                rng.uniform(0.9, 1.7) if rng.random() < BRIGHT_ARTERIES else blood(rng)
            ),
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
        return cls(tuple(noisy), gray, csf, strength=rng.uniform(*strength))

    def flattened(self, factor: float) -> "Contrast":
        """Return the contrast with all tissues nearer to white matter; air stays dark."""
        means = list(self.means)
        for tissue in Tissue:
            if tissue not in (Tissue.BACKGROUND, Tissue.COMPACT_BONE):
                means[tissue] = 1 + factor * (means[tissue] - 1)
        gray, csf = (1 + factor * (value - 1) for value in (self.gray, self.csf))
        return replace(self, means=tuple(means), gray=gray, csf=csf)

    def unenhanced_blood(self, rng: np.random.Generator) -> float:
        """Draw the intensity of slow blood, or of dura, before gadolinium."""
        return rng.uniform(self.csf * 0.6, max(0.8, self.csf + 0.1))

    def image(self, tissue: torch.Tensor) -> torch.Tensor:
        """Give each voxel of `tissue` its mean intensity."""
        return torch.tensor(self.means, device=tissue.device)[tissue]

    def enhancement(self, image: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
        """Return what `amount` of gadolinium, as effects give it, adds to `image`."""
        if self.relaxation is None:
            return self.strength * amount
        return self.relaxation.enhancement(image, amount)
