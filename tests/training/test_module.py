import pytest
import torch
from torch import nn

from clinica_t1nce.training.module import GeneratorTraining, Optimisation, pinball

BATCH = {
    "t1ce": torch.tensor([1.0, 1.0, 2.0, 5.0]).view(1, 1, 1, 1, 4),
    "enhancement": torch.tensor([0.0, 0.5, 1.0, 9.0]).view(1, 1, 1, 1, 4),
    "mask": torch.tensor([True, True, True, False]).view(1, 1, 1, 1, 4),
}


class Constant(nn.Module):
    def __init__(self, value: float):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.value.expand_as(x)


def loss(output: str, value: float, weight: float) -> float:
    module = GeneratorTraining(
        Constant(value), output, Optimisation(steps=10, enhancing_weight=weight)
    )
    return float(module._loss(module.network, BATCH).detach())


def test_loss_by_hand() -> None:
    # Enhancement 0, 0.5, 1 inside the mask; predicted 0.5.
    assert loss("change", 0.5, weight=0) == pytest.approx((0.5 + 0 + 0.5) / 3)
    assert loss("change", 0.5, weight=4) == pytest.approx((0.5 + 5 * 0 + 5 * 0.5) / 11)
    # T1nce 1, 0.5, 1 inside the mask; predicted 0.5.
    assert loss("image", 0.5, weight=0) == pytest.approx((0.5 + 0 + 0.5) / 3)


def test_pinball_by_hand() -> None:
    predicted = torch.tensor([1.0, 1.0, 1.0]).view(1, 3, 1, 1, 1)
    above, below = (torch.full((1, 1, 1, 1, 1), value) for value in (3.0, 0.0))
    quantiles = (0.25, 0.5, 0.75)
    # Errors of 2 above count 2 * 0.25 * 2, 2 * 0.5 * 2, 2 * 0.75 * 2; of 1 below 1.5, 1, 0.5.
    assert float(pinball(predicted, above, quantiles)) == pytest.approx((1 + 2 + 3) / 3)
    assert float(pinball(predicted, below, quantiles)) == pytest.approx((1.5 + 1 + 0.5) / 3)


def test_rate_warms_up_and_falls() -> None:
    optimisation = Optimisation(steps=1000, rate=1.0, warm_up=10, final_rate=0.02)
    module = GeneratorTraining(Constant(0.0), "change", optimisation)
    factor = module.configure_optimizers()["lr_scheduler"]["scheduler"].lr_lambdas[0]
    assert factor(0) == pytest.approx(0.1)
    assert factor(10) == pytest.approx(1, abs=0.01)
    assert factor(500) == pytest.approx(0.51, abs=0.01)
    assert factor(1000) == pytest.approx(0.02)
    assert factor(5000) == pytest.approx(0.02)
