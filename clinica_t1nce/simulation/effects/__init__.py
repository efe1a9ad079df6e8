"""What gadolinium, and disease, do to a head: one effect a file.

An effect is a frozen dataclass of numbers. ``sample(rng, contrast)`` draws them, or returns None
when this head does not show the effect; calling the instance applies it to a
:class:`~clinica_t1nce.simulation.scene.Scene`, always in the same way on the same device.
Amounts are in units of white matter's intensity before gadolinium.
"""

from clinica_t1nce.simulation.effects.arteries import Arteries
from clinica_t1nce.simulation.effects.choroid_plexus import ChoroidPlexus
from clinica_t1nce.simulation.effects.dura import Dura
from clinica_t1nce.simulation.effects.dural_folds import DuralFolds
from clinica_t1nce.simulation.effects.extracranial import Extracranial
from clinica_t1nce.simulation.effects.free_vessels import FreeVessel
from clinica_t1nce.simulation.effects.lesion import Lesion
from clinica_t1nce.simulation.effects.perfusion import Perfusion
from clinica_t1nce.simulation.effects.pia import Pia
from clinica_t1nce.simulation.effects.sinuses import Sinuses
from clinica_t1nce.simulation.effects.sulci import Sulci
from clinica_t1nce.simulation.effects.surface_vessels import SurfaceVessel
from clinica_t1nce.simulation.effects.texture import Texture

__all__ = [
    "Arteries",
    "ChoroidPlexus",
    "Dura",
    "DuralFolds",
    "Extracranial",
    "FreeVessel",
    "Lesion",
    "Perfusion",
    "Pia",
    "Sinuses",
    "Sulci",
    "SurfaceVessel",
    "Texture",
]
