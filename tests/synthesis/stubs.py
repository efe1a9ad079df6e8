"""Networks that are functions, ready to synthesise."""

from torch import nn

from clinica_t1nce.models import cards
from clinica_t1nce.synthesis.synthesizer import Synthesizer

PERCENTILE = {"method": "percentile", "percentile": 70.0, "floor": 0.02}


class Stub(nn.Module):
    """A network that is a function, and keeps what it was given."""

    def __init__(self, function, quantiles=(0.5,)):
        super().__init__()
        self.function = function
        self.quantiles = quantiles
        self.seen = []

    def forward(self, x):
        self.seen.append(x.clone())
        return self.function(x)


def make(
    function,
    *,
    output="change",
    grid=None,
    multiple=1,
    scaling=PERCENTILE,
    mirrors=None,
    calibration=None,
    quantiles=(0.5,),
):
    card = cards.Card(
        name="stub",
        architecture="change-unet",
        hyperparameters={},
        input={"grid": grid, "multiple": multiple, "scaling": scaling},
        output=output,
        inference={"mirrors": mirrors or [[]]},
        calibration=calibration or {},
    )
    return Synthesizer(Stub(function, quantiles), card)


def seen(synthesizer):
    return synthesizer._module.seen


def blurry(x):
    """A network that gives back its input, darker by 0.25."""
    return x - 0.25
