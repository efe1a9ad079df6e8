import pytest
import torch
from torch import nn

from clinica_t1nce.models.change_unet import ChangeUNet
from clinica_t1nce.training.modules.distillation import DistillationTraining
from clinica_t1nce.training.modules.generator import Optimisation
from tests.training.steps import batch, state, step

VIEWS = ([], [0])


def network(seed: int, blocks: int = 1) -> ChangeUNet:
    torch.manual_seed(seed)
    return ChangeUNet((4, 8), blocks, quantiles=(0.25, 0.5, 0.75))


def distillation(pupil: nn.Module, teacher: nn.Module, **given: float) -> DistillationTraining:
    optimisation = Optimisation(**{"steps": 30, "rate": 1e-2, "average": 0.0, **given})
    return DistillationTraining(pupil, teacher, VIEWS, "change", optimisation)


class Constant(nn.Module):
    def __init__(self, *values: float):
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.values.view(1, -1, 1, 1, 1).expand(len(x), -1, *x.shape[2:])


class Unchanged(nn.Module):
    """Leave an image as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x


def test_what_is_taught_comes_from_the_mirrored_view() -> None:
    teacher, x = network(0).eval(), batch()["t1ce"]
    module = distillation(network(1), teacher)
    assert torch.equal(module.taught(x, []), teacher(x))
    mirrored = module.taught(x, [0])
    assert torch.equal(mirrored.flip(2), teacher(x.flip(2)))
    assert not torch.allclose(mirrored, teacher(x), atol=1e-3)


def test_loss_by_hand() -> None:
    # Half of the image is background, which does not count.
    x = torch.ones(1, 1, 24, 12, 12)
    x[:, :, 12:] = 0
    teacher = Constant(0.0, 0.5, 1.0)
    optimisation = {"robust_scale": 0.0, "local": 0.25}
    module = distillation(Constant(0.0, 0.25, 0.5), teacher, **optimisation)
    found = module.imitation(x, [])
    # The mean over three quantiles, and a quarter of the means over blocks of the middle one.
    assert float(found.detach()) == pytest.approx((0 + 0.25 + 0.5) / 3 + 0.25 * 0.25)
    alike = distillation(Constant(0.0, 0.5, 1.0), teacher, **optimisation)
    assert float(alike.imitation(x, []).detach()) == 0


def test_a_smaller_network_comes_to_give_what_the_teacher_gives() -> None:
    teacher, pupil = network(0, blocks=2), network(1)
    # A tenth, a half and nine tenths of the image, whatever else.
    with torch.no_grad():
        teacher.head.weight.zero_()
        teacher.head.bias.copy_(torch.tensor([0.1, 0.5, 0.9]).repeat_interleave(8))
    before = state(teacher)
    x = batch(seed=9)["t1ce"]

    def distance() -> float:
        with torch.no_grad():
            return float((pupil(x) - teacher(x))[:, 1].abs().mean())

    module, at_first = distillation(pupil, teacher), distance()
    step(module, [batch(seed) for seed in range(30)])
    assert distance() < at_first / 2
    assert all(torch.equal(teacher.state_dict()[name], value) for name, value in before.items())


def test_of_images_what_the_teacher_takes_away_counts_more() -> None:
    # The teacher darkens the brighter half by 0.5 and leaves the other.
    x = torch.full((1, 1, 24, 12, 12), 0.5)
    x[:, :, 12:] = 1
    optimisation = Optimisation(steps=1, robust_scale=0.0, local=0.0, enhancing_weight=3.0)
    unchanged = DistillationTraining(Unchanged(), Constant(0.5), ([],), "image", optimisation)
    # Wrong by 0.5 where it takes away, with a weight of 4, and right elsewhere.
    assert float(unchanged.imitation(x, []).detach()) == pytest.approx(0.5 * 4 / 5)
