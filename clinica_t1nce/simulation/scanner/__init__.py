"""From a scene to what a scanner would have stored: one step a file.

A step is a frozen dataclass of numbers. ``sample(rng, quality)`` draws them, or returns None when
the image does not show the step; calling the instance applies it to the stacked image and
enhancement (2 x D x H x W). Most are linear, so that their difference is the image that the scanner
would have made without gadolinium: same noise, blur, field and motion.
"""

from clinica_t1nce.simulation.scanner.acquisition import Acquisition
from clinica_t1nce.simulation.scanner.bias_field import BiasField
from clinica_t1nce.simulation.scanner.defacing import Defacing
from clinica_t1nce.simulation.scanner.field_of_view import FieldOfView
from clinica_t1nce.simulation.scanner.ghosts import Ghosts
from clinica_t1nce.simulation.scanner.misregistration import Misregistration
from clinica_t1nce.simulation.scanner.motion import Motion
from clinica_t1nce.simulation.scanner.noise import Noise
from clinica_t1nce.simulation.scanner.point_spread import PointSpread
from clinica_t1nce.simulation.scanner.quality import LOW, VARIED, Quality
from clinica_t1nce.simulation.scanner.stripping import Stripping
from clinica_t1nce.simulation.scanner.thick_slices import ThickSlices
from clinica_t1nce.simulation.scanner.wrap import Wrap

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
    "Stripping",
    "ThickSlices",
    "Wrap",
]
