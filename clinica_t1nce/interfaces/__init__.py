"""Nipype interfaces: files in, files out."""

from clinica_t1nce.interfaces.datasets import HomogeniseBids, SimulateGadolinium
from clinica_t1nce.interfaces.evaluation import (
    AlignPair,
    BrainMask,
    Disturb,
    ImageSimilarity,
    UnionMask,
)
from clinica_t1nce.interfaces.pair_results import SavePair
from clinica_t1nce.interfaces.spaces import BlendChange, ToNativeSpace
from clinica_t1nce.interfaces.synthesis import DetectGadolinium, SynthesizeT1nce, TranslateT1ce
from clinica_t1nce.interfaces.volumes import (
    GatherVolumes,
    SegmentTissues,
    TissueOverlap,
    TissueVolumes,
)

__all__ = [
    "AlignPair",
    "BlendChange",
    "BrainMask",
    "DetectGadolinium",
    "Disturb",
    "GatherVolumes",
    "HomogeniseBids",
    "ImageSimilarity",
    "SavePair",
    "SegmentTissues",
    "SimulateGadolinium",
    "SynthesizeT1nce",
    "TissueOverlap",
    "TissueVolumes",
    "ToNativeSpace",
    "TranslateT1ce",
    "UnionMask",
]
