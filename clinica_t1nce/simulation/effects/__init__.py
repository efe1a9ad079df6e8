"""What gadolinium, and disease, do to a head: one effect a file.

An effect is a frozen dataclass of numbers. ``sample(rng, contrast)`` draws them, or returns None
when this head does not show the effect; calling the instance applies it to a
:class:`~clinica_t1nce.simulation.scene.Scene`, always in the same way on the same device.
Amounts are in units of white matter's intensity before gadolinium.
"""

from clinica_t1nce.simulation.effects.arteries import Arteries
from clinica_t1nce.simulation.effects.blob import Blob
from clinica_t1nce.simulation.effects.callosum import Callosum
from clinica_t1nce.simulation.effects.cavity import Cavity
from clinica_t1nce.simulation.effects.choroid_plexus import ChoroidPlexus
from clinica_t1nce.simulation.effects.deep_veins import DeepVeins
from clinica_t1nce.simulation.effects.disease import KINDS, sample_disease
from clinica_t1nce.simulation.effects.dura import Dura
from clinica_t1nce.simulation.effects.dural_folds import DuralFolds
from clinica_t1nce.simulation.effects.extracranial import Extracranial
from clinica_t1nce.simulation.effects.fat import Fat
from clinica_t1nce.simulation.effects.flow_ghosts import FlowGhosts
from clinica_t1nce.simulation.effects.folia import Folia
from clinica_t1nce.simulation.effects.fornix import Fornix
from clinica_t1nce.simulation.effects.free_vessels import FreeVessel
from clinica_t1nce.simulation.effects.inflow import Inflow
from clinica_t1nce.simulation.effects.lesion import Lesion
from clinica_t1nce.simulation.effects.meningioma import Meningioma
from clinica_t1nce.simulation.effects.patchy import Patchy
from clinica_t1nce.simulation.effects.perfusion import Perfusion
from clinica_t1nce.simulation.effects.pia import Pia
from clinica_t1nce.simulation.effects.plaques import Plaques
from clinica_t1nce.simulation.effects.rim import Rim
from clinica_t1nce.simulation.effects.sella import Sella
from clinica_t1nce.simulation.effects.sinuses import Sinuses
from clinica_t1nce.simulation.effects.sulcal_filling import SulcalFilling
from clinica_t1nce.simulation.effects.sulci import Sulci
from clinica_t1nce.simulation.effects.surface_vessels import SurfaceVessel
from clinica_t1nce.simulation.effects.texture import Texture
from clinica_t1nce.simulation.effects.thin_sinuses import ThinSinuses
from clinica_t1nce.simulation.effects.thin_tissue import ThinTissue
from clinica_t1nce.simulation.effects.tumour import Tumour

__all__ = [
    "KINDS",
    "Arteries",
    "Blob",
    "Callosum",
    "Cavity",
    "ChoroidPlexus",
    "DeepVeins",
    "Dura",
    "DuralFolds",
    "Extracranial",
    "Fat",
    "FlowGhosts",
    "Folia",
    "Fornix",
    "FreeVessel",
    "Inflow",
    "Lesion",
    "Meningioma",
    "Patchy",
    "Perfusion",
    "Pia",
    "Plaques",
    "Rim",
    "Sella",
    "Sinuses",
    "SulcalFilling",
    "Sulci",
    "SurfaceVessel",
    "Texture",
    "ThinSinuses",
    "ThinTissue",
    "Tumour",
    "sample_disease",
]
