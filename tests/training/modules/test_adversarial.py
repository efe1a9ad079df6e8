import copy

import pytest
import torch
from torch import nn

from clinica_t1nce.models import registry
from clinica_t1nce.training.modules import adversarial
from clinica_t1nce.training.modules.adversarial import (
    AdversarialTraining,
    DiscriminatorTraining,
    Labels,
    discriminator_loss,
)
from clinica_t1nce.training.modules.losses import soft_labels
from clinica_t1nce.training.settings import from_preset
from tests.training.steps import batch, state, step

RATE = 1e-2


def networks() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    generator = registry.build("att-unet", widths=(2, 4))
    # Two patches along each axis.
    return generator, registry.build("patch-discriminator", widths=(4,), patch=8, stride=8)


def optimisation(**given):
    return from_preset("paper", name="n", steps=100, rate=RATE, **given).optimisation


def equal(network: nn.Module, before: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


class Scores(nn.Module):
    """A discriminator that gives the mean of what it is shown, patch for patch."""

    def scores(self, t1nce: torch.Tensor, t1ce: torch.Tensor) -> torch.Tensor:
        return torch.stack([t1nce.flatten(1).mean(1), t1ce.flatten(1).mean(1)], dim=1)


def test_discriminator_loss_by_hand() -> None:
    def constant(value: float) -> torch.Tensor:
        return torch.full((1, 1, 2, 2, 2), value)

    pair = {"t1ce": constant(0.5), "t1nce": constant(0.25)}
    loss = discriminator_loss(Scores(), constant(0.75), pair, Labels(0.0, 1.0))
    real, fake = (0.25**2 + 0.5**2) / 2, (0.25**2 + 0.5**2) / 2
    assert float(loss) == pytest.approx(0.5 * (real + fake))
    soft = discriminator_loss(Scores(), constant(0.75), pair, Labels(0.25, 0.75))
    assert float(soft) == pytest.approx(0.5 * ((0 + 0.25**2) / 2 + (0 + 0.25**2) / 2))


def test_generator_losses_by_hand() -> None:
    generator, _ = networks()
    module = AdversarialTraining(generator, Scores(), "image", optimisation())
    pair = batch()
    losses = module.generator_losses(pair, Labels(torch.tensor([[0.1], [0.3]]), 0.0))
    with torch.no_grad():
        image = generator(pair["t1ce"])
    l1 = (image - pair["t1nce"]).abs().mean()
    assert losses["loss"].item() == pytest.approx(l1.item(), abs=1e-5)
    expected = [
        [(image[n].mean() - label) ** 2, (pair["t1ce"][n].mean() - label) ** 2]
        for n, label in enumerate((0.1, 0.3))
    ]
    assert losses["adversarial"].item() == pytest.approx(float(torch.tensor(expected).mean()))


def test_one_step_is_that_of_the_equations() -> None:
    generator, discriminator = networks()
    g, d = copy.deepcopy(generator), copy.deepcopy(discriminator)
    pair = batch()
    module = AdversarialTraining(generator, discriminator, "image", optimisation(), seed=5)
    step(module, [pair])

    # Equations 1 and 2 with squares, patch by patch, the generator first.
    betas = (0.5, 0.999)
    g_adam = torch.optim.Adam(g.parameters(), lr=RATE, betas=betas)
    d_adam = torch.optim.Adam(d.parameters(), lr=RATE, betas=betas)
    x, y = pair["t1ce"], pair["t1nce"]
    corners = [(i, j, k) for i in (0, 8) for j in (0, 8) for k in (0, 8)]
    real, fake = soft_labels(2, torch.Generator().manual_seed(2 * 5 * 1_000_000_007 + 1))

    def distance(image: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(())
        for i, j, k in corners:
            place = (..., slice(i, i + 8), slice(j, j + 8), slice(k, k + 8))
            scores = d(image[place], x[place]).reshape(2)
            total = total + ((scores - labels[:, 0]) ** 2).mean()
        return total / 8

    synthetic = g(x)
    (distance(synthetic, real) + (synthetic - y).abs().mean()).backward()
    g_adam.step()
    d_adam.zero_grad()
    with torch.no_grad():
        synthetic = g(x)
    (0.5 * (distance(y, real) + distance(synthetic, fake))).backward()
    d_adam.step()

    for ours, theirs in ((generator, g), (discriminator, d)):
        for name, tensor in theirs.state_dict().items():
            assert torch.allclose(ours.state_dict()[name], tensor, atol=2e-5), name


def test_discriminator_alone_learns_and_the_generator_stays() -> None:
    generator, discriminator = networks()
    module = DiscriminatorTraining(generator, discriminator, "image", optimisation())
    before, first = (
        state(generator),
        module.validation_losses(batch(side=8))["discriminator"].item(),
    )
    step(module, [batch(side=8)] * 30)
    assert equal(generator, before)
    assert module.validation_losses(batch(side=8))["discriminator"].item() < 0.7 * first


def test_generator_learns_to_please_a_discriminator_that_stays() -> None:
    generator, discriminator = networks()
    module = AdversarialTraining(generator, discriminator, "image", optimisation())
    module.configure_optimizers = lambda: _without_second(module)
    labels = Labels(torch.full((2, 1), 0.15), 0.85)
    before = state(discriminator)
    first = module.generator_losses(batch(side=8), labels)
    step(module, [batch(side=8)] * 30)
    last = module.generator_losses(batch(side=8), labels)
    assert equal(discriminator, before)
    assert last["loss"].item() < 0.7 * first["loss"].item()
    assert sum(v.item() for v in last.values()) < 0.7 * sum(v.item() for v in first.values())


def _without_second(module: AdversarialTraining):
    optimisers, schedules = AdversarialTraining.configure_optimizers(module)
    for group in optimisers[1].param_groups:
        group["lr"] = group["initial_lr"] = 0.0
    schedules[1].base_lrs = [0.0]
    return optimisers, schedules


def test_accumulated_batches_step_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversarial, "soft_labels", lambda *_: (0.1, 0.9))

    whole = batch(size=2)
    halves = [{name: tensor[n, None] for name, tensor in whole.items()} for n in range(2)]
    results = []
    for batches, accumulate in (([whole], 1), (halves, 2)):
        torch.manual_seed(0)
        generator = registry.build("change-unet", widths=(2, 4))
        _, discriminator = networks()
        module = AdversarialTraining(
            generator, discriminator, "change", optimisation(), accumulate=accumulate
        )
        step(module, batches)
        results.append((state(generator), state(discriminator)))
    for one, two in zip(*results, strict=True):
        for name, tensor in one.items():
            assert torch.allclose(tensor, two[name], atol=1e-4), name
