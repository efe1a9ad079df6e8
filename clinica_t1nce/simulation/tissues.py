"""The tissues that the simulator distinguishes, and the labels that stand for them.

The numbers are those of FreeSurfer in the brain, which SAMSEG and SynthSeg share, and, outside
of it, those of the label maps that SynthSeg was trained on (Billot et al., Medical Image Analysis
2023).
"""

from enum import IntEnum

import numpy as np

from clinica_t1nce.errors import LabelMapError


class Tissue(IntEnum):
    """Index of a tissue in the simulator's tables: number, labels, relaxation.

    ``labels`` are the numbers that stand for it in label maps. ``relaxation`` is T1 in ms at 1.5 T
    and 3 T and proton density relative to water, rounded from the spread of the literature: brain
    and blood from Stanisz et al. (Magn Reson Med 2005), Bojorquez et al. (Magn Reson Imaging 2017)
    and Wansapura et al. (J Magn Reson Imaging 1999); muscle, marrow and skin from de Bazelaire et
    al. (Radiology 2004) and Han et al. (Magn Reson Med 2003). Each image departs from them by a
    tenth and more.
    """

    labels: tuple[int, ...]
    relaxation: tuple[float, ...]

    def __new__(
        cls, number: int, labels: tuple[int, ...], relaxation: tuple[float, ...] = ()
    ) -> "Tissue":
        """Give a number its labels and relaxation."""
        tissue = int.__new__(cls, number)
        tissue._value_ = number
        tissue.labels, tissue.relaxation = labels, relaxation
        return tissue

    BACKGROUND = 0, (0,)
    WHITE_MATTER = 1, (2, 41, 251, 252, 253, 254, 255), (650, 850, 0.70)
    CORTEX = 2, (3, 42), (1100, 1400, 0.82)
    LATERAL_VENTRICLE = 3, (4, 43, 5, 44), (4000, 4200, 1.0)
    THIRD_VENTRICLE = 4, (14, 72), (4000, 4200, 1.0)
    FOURTH_VENTRICLE = 5, (15,), (4000, 4200, 1.0)
    CEREBELLAR_WHITE_MATTER = 6, (7, 46), (650, 850, 0.71)
    CEREBELLAR_CORTEX = 7, (8, 47), (1050, 1350, 0.82)
    THALAMUS = 8, (10, 49, 9, 48), (850, 1080, 0.77)
    CAUDATE = 9, (11, 50), (1050, 1250, 0.81)
    PUTAMEN = 10, (12, 51), (950, 1150, 0.80)
    PALLIDUM = 11, (13, 52), (750, 920, 0.75)
    BRAINSTEM = 12, (16, 173, 174, 175, 178), (700, 920, 0.74)
    HIPPOCAMPUS = 13, (17, 53), (1100, 1400, 0.82)
    AMYGDALA = 14, (18, 54), (1100, 1400, 0.82)
    ACCUMBENS = 15, (26, 58), (1050, 1250, 0.81)
    VENTRAL_DIENCEPHALON = 16, (28, 60, 27, 59), (750, 980, 0.76)
    CSF = 17, (24,), (4000, 4200, 1.0)
    WHITE_MATTER_LESION = 18, (25, 57, 77, 78, 79, 80, 81, 82, 99), (950, 1250, 0.80)
    CHOROID_PLEXUS = 19, (136, 163, 137, 164, 31, 63), (1500, 1800, 0.90)
    VENOUS_SINUS = 20, (514,), (1440, 1650, 0.85)
    ARTERY = 21, (502, 30, 62), (1440, 1650, 0.85)
    OPTIC_CHIASM = 22, (85, 530), (780, 1050, 0.74)
    EYE = 23, (506,), (3800, 4000, 1.0)
    SOFT_TISSUE = 24, (507,), (1000, 1300, 0.75)
    EYE_OTHER = 25, (508,), (800, 1000, 0.75)
    NASAL_CAVITY = 26, (509,), (1200, 1400, 0.60)
    SKIN = 27, (511,), (500, 600, 0.70)
    SPINAL_CORD = 28, (512,), (750, 950, 0.74)
    COMPACT_BONE = 29, (515,), (400, 450, 0.10)
    BONE_MARROW = 30, (516,), (330, 400, 0.60)


LABELS: dict[Tissue, tuple[int, ...]] = {tissue: tissue.labels for tissue in Tissue}

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
BRAIN = (*PARENCHYMA, *VENTRICLES, Tissue.CHOROID_PLEXUS)
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
