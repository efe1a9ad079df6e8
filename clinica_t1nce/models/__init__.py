"""Networks, their registry, and weights with their cards."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def load_generator(name_or_path: "str | Path" = "default") -> "nn.Module":
    """Load a trained generator, in evaluation mode, on the CPU.

    Parameters
    ----------
    name_or_path
        As :func:`clinica_t1nce.models.storage.load_weights`;
        :func:`clinica_t1nce.models.storage.load_generator` gives the card as well.

    Returns
    -------
    torch.nn.Module
        As :func:`clinica_t1nce.models.storage.load_weights` gives it.

    Raises
    ------
    WeightsError
        If the weights or their card are missing, damaged, or do not fit, or the network is a
        discriminator.
    """
    from clinica_t1nce.models import storage

    return storage.load_generator(name_or_path)[0]
