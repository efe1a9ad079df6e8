import pytest
import torch
from torch import nn

from clinica_t1nce.models import registry
from clinica_t1nce.training.data.numbered import Apart
from clinica_t1nce.training.modules.unpaired import CycleTraining, ReplayBuffer
from clinica_t1nce.training.settings import from_preset
from tests.training.steps import batch, state, step


class Shift(nn.Module):
    def __init__(self, by: float):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.by


class Mean(nn.Module):
    """A discriminator whose score is the mean, with a second image that must be the same."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(1.0))

    def scores(self, image: torch.Tensor, again: torch.Tensor) -> torch.Tensor:
        assert image is again
        return self.factor * image.flatten(1).mean(1, keepdim=True)


def training(network: nn.Module, reverse: nn.Module, *judges: nn.Module) -> CycleTraining:
    optimisation = from_preset("paper", name="n", steps=100, rate=1e-2).optimisation
    return CycleTraining(network, reverse, judges, "image", optimisation)


def constant(value: float) -> torch.Tensor:
    return torch.full((2, 1, 4, 4, 4), value)


def test_losses_by_hand() -> None:
    module = training(Shift(-0.25), Shift(0.5), Mean(), Mean())
    pair = {"t1ce": constant(0.75), "t1nce": constant(0.125)}
    losses, made = module.generator_losses(pair)
    assert made["t1nce"].unique().tolist() == [0.5]
    assert made["t1ce"].unique().tolist() == [0.625]
    # There and back again, each way, misses by 0.25; what should stay moves by 0.25 and 0.5.
    assert losses["cycle"].item() == pytest.approx(0.25 + 0.25)
    assert losses["identity"].item() == pytest.approx(0.25 + 0.5)
    # Real is 0.
    assert losses["adversarial"].item() == pytest.approx(0.5**2 + 0.625**2)
    judged = module.discriminators_loss(pair, made).item()
    real, fake = 0.125**2 + 0.75**2, 0.5**2 + 0.375**2
    assert judged == pytest.approx(0.5 * (real + fake))


def test_buffer_shows_old_images_half_of_the_time() -> None:
    buffer, chance = ReplayBuffer(3), torch.Generator().manual_seed(0)
    first = torch.arange(3.0).view(3, 1, 1, 1, 1)
    assert torch.equal(buffer.exchange(first, chance), first)
    old = 0
    for number in range(3, 203):
        before = {int(image) for image in buffer.images}
        shown = int(buffer.exchange(torch.full((1, 1, 1, 1, 1), float(number)), chance))
        after = {int(image) for image in buffer.images}
        if shown == number:
            assert after == before
        else:
            assert after == before - {shown} | {number}
            old += 1
    assert 80 < old < 120


def test_all_four_networks_learn() -> None:
    torch.manual_seed(0)
    generators = [registry.build("att-unet", widths=(2, 4)) for _ in range(2)]
    judges = [registry.build("patch-discriminator", widths=(4,), patch=8) for _ in range(2)]
    module = training(*generators, *judges)
    before = [state(network) for network in (*generators, *judges)]
    first = module.generator_losses(batch(side=8))[0]["cycle"].item()
    step(module, [batch(seed, side=8) for seed in range(25)])
    for network, old in zip((*generators, *judges), before, strict=True):
        moved = [not torch.equal(p, old[name]) for name, p in network.named_parameters()]
        assert all(moved)
    assert module.generator_losses(batch(side=8))[0]["cycle"].item() < 0.7 * first
    checkpoint: dict = {}
    module.on_save_checkpoint(checkpoint)
    other = training(*generators, *judges)
    other.on_load_checkpoint(checkpoint)
    assert all(
        torch.equal(a, b)
        for side in ("t1ce", "t1nce")
        for a, b in zip(module.past[side].images, other.past[side].images, strict=True)
    )


def test_pairs_torn_apart() -> None:
    class Numbers:
        epoch = None

        def pair(self, number: int):
            return {"t1ce": torch.tensor(number), "t1nce": torch.tensor(-number)}

    torn = Apart(Numbers()).pair(3)
    assert (int(torn["t1ce"]), int(torn["t1nce"])) == (6, -7)
