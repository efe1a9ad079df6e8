"""The mean of several weights of one architecture.

Weights that were trained on from the same start lie near each other, and their mean often does
better than each of them, at the cost of one (Wortsman et al., "Model soups", ICML 2022).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from clinica_t1nce.errors import WeightsError
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.storage import load_weights, save_weights


def average(names_or_paths: Sequence[str | Path], out: str | Path, name: str | None = None) -> Card:
    """Write the mean of weights, each counting alike.

    Parameters
    ----------
    names_or_paths
        Two or more weights, as :func:`~clinica_t1nce.models.storage.load_weights` takes them.
    out
        Path of the ``.safetensors`` file; the card is the ``.json`` beside it. It says what was
        averaged, and is the first's otherwise, without its calibration and metrics, which no
        longer hold.
    name
        Name of the weights; None: that of `out`.

    Returns
    -------
    Card
        Card as written.

    Raises
    ------
    WeightsError
        If there are fewer than two, or two differ in architecture or in how images are brought
        to them.
    OutputError
        If the files cannot be written.
    """
    if len(names_or_paths) < 2:
        raise WeightsError("one set of weights is its own mean; give two or more")
    loaded = [load_weights(each) for each in names_or_paths]
    module, card = loaded[0]
    for each, (_, other) in zip(names_or_paths, loaded, strict=True):
        for field in ("architecture", "hyperparameters", "input", "output"):
            if getattr(other, field) != getattr(card, field):
                raise WeightsError(
                    f"{each}: differs from {names_or_paths[0]} in {field}; "
                    "average weights that were trained on from the same ones"
                )
    states = [each.state_dict() for each, _ in loaded]
    module.load_state_dict(
        {
            key: torch.stack([state[key].double() for state in states]).mean(0).to(first.dtype)
            for key, first in states[0].items()
        }
    )
    averaged = replace(
        card,
        name=name or Path(out).stem,
        calibration={},
        metrics={},
        training={"mean_of": [other.name for _, other in loaded]},
    )
    return save_weights(out, module, averaged)
