"""The tissues that the simulator distinguishes, and the labels that stand for them.

The numbers are those of FreeSurfer in the brain, which SAMSEG and SynthSeg share, and, outside
of it, those of the label maps that SynthSeg was trained on (Billot et al., Medical Image Analysis
2023).
"""

from enum import IntEnum

import numpy as np

from clinica_t1nce.errors import LabelMapError


class Tissue(IntEnum):
    """Index of a tissue in the simulator's tables."""

    BACKGROUND = 0
    WHITE_MATTER = 1
    CORTEX = 2
    LATERAL_VENTRICLE = 3
    THIRD_VENTRICLE = 4
    FOURTH_VENTRICLE = 5
    CEREBELLAR_WHITE_MATTER = 6
    CEREBELLAR_CORTEX = 7
    THALAMUS = 8
    CAUDATE = 9
    PUTAMEN = 10
    PALLIDUM = 11
    BRAINSTEM = 12
    HIPPOCAMPUS = 13
    AMYGDALA = 14
    ACCUMBENS = 15
    VENTRAL_DIENCEPHALON = 16
    CSF = 17
    WHITE_MATTER_LESION = 18
    CHOROID_PLEXUS = 19
    VENOUS_SINUS = 20
    ARTERY = 21
    OPTIC_CHIASM = 22
    EYE = 23
    SOFT_TISSUE = 24
    EYE_OTHER = 25
    NASAL_CAVITY = 26
    SKIN = 27
    SPINAL_CORD = 28
    COMPACT_BONE = 29
    BONE_MARROW = 30


LABELS: dict[Tissue, tuple[int, ...]] = {
    Tissue.BACKGROUND: (0,),
    Tissue.WHITE_MATTER: (2, 41, 251, 252, 253, 254, 255),
    Tissue.CORTEX: (3, 42),
    Tissue.LATERAL_VENTRICLE: (4, 43, 5, 44),
    Tissue.THIRD_VENTRICLE: (14, 72),
    Tissue.FOURTH_VENTRICLE: (15,),
    Tissue.CEREBELLAR_WHITE_MATTER: (7, 46),
    Tissue.CEREBELLAR_CORTEX: (8, 47),
    Tissue.THALAMUS: (10, 49, 9, 48),
    Tissue.CAUDATE: (11, 50),
    Tissue.PUTAMEN: (12, 51),
    Tissue.PALLIDUM: (13, 52),
    Tissue.BRAINSTEM: (16, 173, 174, 175, 178),
    Tissue.HIPPOCAMPUS: (17, 53),
    Tissue.AMYGDALA: (18, 54),
    Tissue.ACCUMBENS: (26, 58),
    Tissue.VENTRAL_DIENCEPHALON: (28, 60, 27, 59),
    Tissue.CSF: (24,),
    Tissue.WHITE_MATTER_LESION: (25, 57, 77, 78, 79, 80, 81, 82, 99),
    Tissue.CHOROID_PLEXUS: (136, 163, 137, 164, 31, 63),
    Tissue.VENOUS_SINUS: (514,),
    Tissue.ARTERY: (502, 30, 62),
    Tissue.OPTIC_CHIASM: (85, 530),
    Tissue.EYE: (506,),
    Tissue.SOFT_TISSUE: (507,),
    Tissue.EYE_OTHER: (508,),
    Tissue.NASAL_CAVITY: (509,),
    Tissue.SKIN: (511,),
    Tissue.SPINAL_CORD: (512,),
    Tissue.COMPACT_BONE: (515,),
    Tissue.BONE_MARROW: (516,),
}

LEFT_CEREBRUM = (2, 3, 4, 5, 9, 10, 11, 12, 13, 17, 18, 26, 28, 31, 136, 137)
RIGHT_CEREBRUM = (41, 42, 43, 44, 49, 50, 51, 52, 53, 54, 48, 58, 60, 63, 163, 164)
CEREBELLUM = (7, 8, 46, 47)
FIRST_LABEL_OUTSIDE_BRAIN = 500

VENTRICLES = (Tissue.LATERAL_VENTRICLE, Tissue.THIRD_VENTRICLE, Tissue.FOURTH_VENTRICLE)
WHITE_MATTER = (Tissue.WHITE_MATTER, Tissue.CEREBELLAR_WHITE_MATTER, Tissue.BRAINSTEM)
PARENCHYMA = tuple(
    tissue
    for tissue in Tissue
    if Tissue.WHITE_MATTER <= tissue <= Tissue.WHITE_MATTER_LESION
    and tissue not in (*VENTRICLES, Tissue.CSF)
)
GRAY_MATTER = tuple(
    tissue for tissue in PARENCHYMA if tissue not in (*WHITE_MATTER, Tissue.WHITE_MATTER_LESION)
)


def to_tissues(labels: np.ndarray) -> np.ndarray:
    """Translate a label map into :class:`Tissue` numbers.

    Parameters
    ----------
    labels
        Label map of integers, any shape.

    Returns
    -------
    numpy.ndarray
        ``uint8``, same shape.

    Raises
    ------
    LabelMapError
        If a label is not in :data:`LABELS`.
    """
    labels = np.asarray(labels)
    size = 1 + max(max(numbers) for numbers in LABELS.values())
    table = np.full(size, 255, np.uint8)
    for tissue, numbers in LABELS.items():
        table[list(numbers)] = tissue
    found = np.unique(labels)
    unknown = [int(n) for n in found if not 0 <= n < size or table[n] == 255]
    if unknown:
        raise LabelMapError(
            f"labels {unknown} have no tissue; say what they stand for (simulate --labels TABLE), "
            "or write a map with FreeSurfer's labels to train on"
        )
    return table[labels]
