"""From a scene to what a scanner would have stored."""

from clinica_t1nce.simulation.scanner.acquisition import (
    LOW,
    VARIED,
    Acquisition,
    BiasField,
    Ghosts,
    Misregistration,
    Motion,
    Noise,
    PointSpread,
    Quality,
    Step,
    ThickSlices,
    Wrap,
)
from clinica_t1nce.simulation.scanner.masks import Defacing, FieldOfView, Stripping

__all__ = [
    "LOW",
    "VARIED",
    "Acquisition",
    "BiasField",
    "Defacing",
    "FieldOfView",
    "Ghosts",
    "Misregistration",
    "Motion",
    "Noise",
    "PointSpread",
    "Quality",
    "Step",
    "Stripping",
    "ThickSlices",
    "Wrap",
]
