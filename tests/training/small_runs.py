"""Settings of runs that take seconds."""

from typing import Any

from clinica_t1nce.training.fit import Machine
from clinica_t1nce.training.modules.generator import Optimisation
from clinica_t1nce.training.settings import Settings, from_preset

CPU = Machine(device="cpu", workers=0)
ON_PATCHES = Settings(
    name="tiny",
    optimisation=Optimisation(steps=6, warm_up=2),
    widths=(4, 8, 8),
    patch=16,
    validation_pairs=1,
    save_every=2,
    validate_every=3,
    samples_every=2,
)


def on_volumes(**given: Any) -> Settings:
    """The paper's training, small; with dropout, whose chance must survive an interruption."""
    hyper = {"name": "whole", "architecture": "trans-unet-light", "widths": (8,) * 4, "grid": 16}
    return from_preset(
        "paper", **{**hyper, "epochs": 3, "save_every": 1, "samples_every": 0, **given}
    )


ON_MIXTURE = from_preset(
    "mixed", name="tiny", widths=(4, 8, 8, 8), patch=32, steps=6, save_every=2, validate_every=3
)
