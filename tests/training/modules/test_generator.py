import pytest
import torch
from torch import nn

from clinica_t1nce.models.cards import Inference
from clinica_t1nce.training.modules.generator import GeneratorTraining, Optimisation, make_t1nce
from clinica_t1nce.training.modules.losses import dissimilarity
from clinica_t1nce.training.settings import from_preset

BATCH = {
    "t1ce": torch.tensor([1.0, 1.0, 2.0, 5.0]).view(1, 1, 1, 1, 4),
    "t1nce": torch.tensor([1.0, 0.5, 1.0, -4.0]).view(1, 1, 1, 1, 4),
    "mask": torch.tensor([True, True, True, False]).view(1, 1, 1, 1, 4),
}


class Constant(nn.Module):
    def __init__(self, value: float):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.value.expand_as(x)


def loss_of(module: GeneratorTraining, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return module.reconstruction(module.network(batch["t1ce"]).float(), batch)


def loss(output: str, value: float, weight: float) -> float:
    module = GeneratorTraining(
        Constant(value), output, Optimisation(steps=10, enhancing_weight=weight)
    )
    return float(loss_of(module, BATCH).detach())


def test_loss_by_hand() -> None:
    # Enhancement 0, 0.5, 1 inside the mask; predicted 0.5.
    assert loss("change", 0.5, weight=0) == pytest.approx((0.5 + 0 + 0.5) / 3)
    assert loss("change", 0.5, weight=4) == pytest.approx((0.5 + 5 * 0 + 5 * 0.5) / 11)
    # T1nce 1, 0.5, 1 inside the mask; predicted 0.5.
    assert loss("image", 0.5, weight=0) == pytest.approx((0.5 + 0 + 0.5) / 3)


def test_enhancement_outside_the_skull_counts_like_the_rest() -> None:
    inside = torch.tensor([True, True, False, False]).view(1, 1, 1, 1, 4)
    optimisation = Optimisation(steps=10, enhancing_weight=4)
    module = GeneratorTraining(Constant(0.25), "change", optimisation)
    found = float(loss_of(module, BATCH | {"intracranial": inside}).detach())
    # Of the voxels with enhancement 0, 0.5 and 1 the second alone counts five times.
    assert found == pytest.approx((0.25 + 5 * 0.25 + 0.75) / 7)


def scans() -> dict[str, torch.Tensor]:
    """Two real pairs and a simulated one: 12 voxels a side, 0.5 of enhancement in one block."""
    t1nce = torch.full((3, 1, 12, 12, 12), 0.5)
    t1ce = t1nce.clone()
    t1ce[:, :, :6] += 0.5
    return {
        "t1ce": t1ce,
        "t1nce": t1nce,
        "mask": torch.ones(t1ce.shape, dtype=torch.bool),
        "intracranial": torch.ones(t1ce.shape, dtype=torch.bool),
        "noisy": torch.tensor([True, True, False]),
        "blur": torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.6], [0.0, 0.0, 0.0]]),
    }


def test_loss_of_real_and_simulated_pairs_in_one_batch_by_hand() -> None:
    optimisation = Optimisation(steps=10, enhancing_weight=0, robust_scale=0.0, local=0.5)
    module = GeneratorTraining(Constant(0.25), "change", optimisation)
    found = float(loss_of(module, scans()).detach())
    # 0.25 too little here and 0.25 too much there: 0.25 voxel by voxel and in means over blocks
    # of 3, 6 and 12 voxels, of which the last are right on the whole.
    real = 0.25 + 0.5 * 0.25 * 2 / 3
    assert found == pytest.approx((2 * real + 0.25) / 3, abs=1e-5)


def test_the_perceptual_loss_sees_real_pairs_too() -> None:
    losses = []
    for weight in (0.0, 0.5):
        optimisation = Optimisation(steps=10, perceptual=weight)
        module = GeneratorTraining(Constant(0.25), "change", optimisation)
        losses.append(loss_of(module, scans()).item())
    batch = scans()
    expected = dissimilarity(batch["t1ce"] - 0.25, batch["t1nce"]).item()
    assert losses[1] - losses[0] == pytest.approx(0.5 * expected, abs=1e-6)
    assert expected > 0.01


def test_what_enhances_counts_more_in_real_pairs() -> None:
    batch = {name: value[:1] for name, value in scans().items()}
    losses = []
    for weight in (0, 4):
        optimisation = Optimisation(steps=10, enhancing_weight=weight, robust_scale=0, local=0)
        module = GeneratorTraining(Constant(0.1), "change", optimisation)
        losses.append(float(loss_of(module, batch).detach()))
    # Half of the voxels are wrong by 0.4, half by 0.1; what enhances reaches two rows further.
    assert losses[0] == pytest.approx(0.25)
    assert losses[1] == pytest.approx((5 * (6 * 0.4 + 2 * 0.1) + 4 * 0.1) / (5 * 8 + 4))


def test_nothing_is_added_and_what_lies_below_0_can_come_back() -> None:
    batch = {name: value[:1] for name, value in scans().items()}
    optimisation = Optimisation(steps=10, enhancing_weight=0, robust_scale=0, local=0)
    module = GeneratorTraining(Constant(-0.2), "change", optimisation)
    loss = loss_of(module, batch)
    # As if nothing were removed, and a little for what would be added.
    assert loss.item() == pytest.approx(0.25 + 0.05 * 0.2)
    loss.backward()
    assert module.network.value.grad < 0


def test_whole_real_pairs_are_measured_in_validation() -> None:
    batch = {name: value[:1] for name, value in scans().items()}
    batch["t1nce"] = batch["t1nce"] + torch.linspace(-0.2, 0.2, 12)
    batch["t1ce"] = batch["t1nce"] + 0.5 * (batch["t1ce"] > 0.75)
    batch["deviation"] = torch.tensor([0.05])
    module = GeneratorTraining(Constant(0.5), "change", Optimisation(steps=10))
    with torch.no_grad():
        found = module.validation_losses(batch)
    # All of the enhancement is gone, and as much where there was none.
    assert float(found["inside"]) == pytest.approx(0, abs=1e-5)
    assert next(iter(found)) == "total"
    assert float(found["total"]) > 0.85


def test_validation_measures_what_synthesis_would_write() -> None:
    batch = {name: value[:1] for name, value in scans().items()}
    batch["t1nce"] = batch["t1nce"] + torch.linspace(-0.2, 0.2, 12)
    batch["t1ce"] = batch["t1nce"] + 0.5 * (batch["t1ce"] > 0.75)
    batch["deviation"] = torch.tensor([0.05])
    module = GeneratorTraining(Constant(0.03), "change", Optimisation(steps=10))
    module.inference = Inference(fade=(0.05, 0.1))
    with torch.no_grad():
        faded = module.validation_losses(batch)
        module.inference = Inference(fade=(0.01, 0.02))
        whole = module.validation_losses(batch)
    # All is too small to be removed, or nothing.
    assert float(faded["total"]) == float(faded["inside"]) == 1
    assert float(whole["inside"]) == pytest.approx(0.94, abs=1e-3)


def test_validation_takes_the_quantile_of_the_card() -> None:
    class Quantiles(nn.Module):
        quantiles = (0.25, 0.5, 0.75)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([0 * x, 0 * x + 1, 0 * x + 2], dim=1)

    module = GeneratorTraining(Quantiles(), "change", Optimisation(steps=10, average=0))
    module.inference = Inference(quantile=0.625)
    t1ce = torch.full((1, 1, 2, 2, 2), 5.0)
    assert (module.as_written(t1ce) == 3.5).all()


def test_rate_warms_up_and_falls() -> None:
    optimisation = Optimisation(steps=1000, rate=1.0, warm_up=10, final_rate=0.02)
    module = GeneratorTraining(Constant(0.0), "change", optimisation)
    schedule = module.configure_optimizers()["lr_scheduler"]["scheduler"]
    factor = schedule.lr_lambdas[0]
    assert factor(0) == pytest.approx(0.1)
    assert factor(10) == pytest.approx(1, abs=0.01)
    assert factor(500) == pytest.approx(0.51, abs=0.01)
    assert factor(1000) == pytest.approx(0.02)
    assert factor(5000) == pytest.approx(0.02)


def test_papers_rate_is_constant() -> None:
    optimisation = from_preset("paper", name="p", steps=10).optimisation
    assert {optimisation.factor(step) for step in range(12)} == {1.0}


def test_papers_optimiser_is_adam() -> None:
    optimisation = from_preset("paper", name="p", steps=10).optimisation
    ours, adam = (nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2))
    optimisers = (
        optimisation.optimiser(iter([ours])),
        torch.optim.Adam([adam], lr=1e-4, betas=(0.5, 0.999)),
    )
    for _ in range(3):
        for parameter, optimiser in zip((ours, adam), optimisers, strict=True):
            optimiser.zero_grad()
            (parameter**3).sum().backward()
            optimiser.step()
    assert torch.equal(ours, adam)


def test_what_a_generator_gives_becomes_an_image() -> None:
    t1ce = torch.full((1, 1, 2, 2, 2), 5.0)
    assert (make_t1nce(Constant(2.0), t1ce, "image") == 2).all()
    assert (make_t1nce(Constant(2.0), t1ce, "change") == 3).all()
    quantiles = torch.arange(3.0).view(1, 3, 1, 1, 1).expand(1, 3, 2, 2, 2)
    assert (make_t1nce(lambda x: quantiles, t1ce, "change") == 4).all()


def test_perceptual_loss_is_added() -> None:
    torch.manual_seed(0)
    t1ce, t1nce = torch.rand(2, 1, 1, 12, 12, 12)
    batch = {"t1ce": t1ce, "t1nce": t1nce, "mask": torch.ones_like(t1ce)}
    plain, more = (
        GeneratorTraining(
            nn.Identity(), "image", Optimisation(steps=1, average=0, perceptual=weight)
        )
        for weight in (0.0, 0.5)
    )
    added = more.reconstruction(batch["t1ce"], batch) - plain.reconstruction(batch["t1ce"], batch)
    assert added.item() == pytest.approx(0.5 * float(dissimilarity(t1ce, t1nce)), rel=1e-4)


@pytest.mark.parametrize("output", ["change", "image"])
def test_a_flat_output_is_noticed(output: str) -> None:
    optimisation = Optimisation(steps=1, average=0)
    assert GeneratorTraining(Constant(0.3), output, optimisation).is_flat(BATCH)
    assert not GeneratorTraining(nn.Identity(), output, optimisation).is_flat(BATCH)
