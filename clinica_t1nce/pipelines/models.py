"""The model that a command names: whether it can be used, and where."""

from dataclasses import dataclass
from pathlib import Path

from clinica_t1nce.models.cards import Card
from clinica_t1nce.translation.options import Device

MEMORY_GB = 6.0
"""What a process is taken to need if the model's card does not say (``inference.memory_gb``):
that of the paper's network."""


@dataclass(frozen=True)
class Model:
    """Weights that can be loaded, by any process.

    Attributes
    ----------
    name
        Name of shipped weights, or absolute path of a file: processes run in folders of their own.
    card
        Card of the weights.
    device
        Device that is there: ``"cpu"`` or ``"cuda"``.
    """

    name: str
    card: Card
    device: Device

    @property
    def memory_gb(self) -> float:
        """What a process needs."""
        return float(self.card.inference.memory_gb or MEMORY_GB)


def check_model(model: str, device: Device) -> Model:
    """Load weights and find the device, to know before any work that both can be used.

    Parameters
    ----------
    model
        Name or file of weights, ``"default"``.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    WeightsError, DeviceError
        If they cannot.
    """
    from clinica_t1nce.models.storage import load_generator, shipped
    from clinica_t1nce.synthesis.synthesizer import find_device

    found = find_device(device)
    _, card = load_generator(model)
    known = model == "default" or model in shipped()
    name = model if known else str(Path(model).absolute())
    return Model(name, card, "cuda" if found.type == "cuda" else "cpu")
