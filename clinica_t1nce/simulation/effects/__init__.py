"""What gadolinium, and disease, do to an image.

An effect is a frozen dataclass of numbers, each declared with the range it is drawn from.
``sample(rng, contrast)`` draws them, or returns None when this image does not show the effect;
``ranges`` gives other ranges; calling the instance applies it to a
:class:`~clinica_t1nce.simulation.scene.Scene`, always in the same way on the same device.
Amounts are in units of white matter's intensity before gadolinium.
"""

from clinica_t1nce.simulation.effects.barrier_free import ChoroidPlexus, Extracranial, Sella
from clinica_t1nce.simulation.effects.blood import (
    Arteries,
    DeepVeins,
    FreeVessel,
    Inflow,
    Perfusion,
    Sinuses,
    SurfaceVessel,
    ThinSinuses,
)
from clinica_t1nce.simulation.effects.effect import Blob, Blobs, Effect, Patchy, Uptake
from clinica_t1nce.simulation.effects.lesions import (
    KINDS,
    Cavity,
    Lesion,
    Meningioma,
    Plaques,
    Tumour,
)
from clinica_t1nce.simulation.effects.look_alikes import (
    Callosum,
    Fat,
    FlowGhosts,
    Folia,
    Fornix,
    Rim,
    Texture,
    ThinTissue,
)
from clinica_t1nce.simulation.effects.meninges import Dura, DuralFolds, Pia, SulcalFilling, Sulci

__all__ = [
    "KINDS",
    "Arteries",
    "Blob",
    "Blobs",
    "Callosum",
    "Cavity",
    "ChoroidPlexus",
    "DeepVeins",
    "Dura",
    "DuralFolds",
    "Effect",
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
    "Uptake",
]
