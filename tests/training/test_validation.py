import pytest
import torch

from clinica_t1nce.training.modules.losses import measure


def batch() -> dict[str, torch.Tensor]:
    """Fluid, gray and white matter in thirds; in 4 of 60 voxels 0.5 of enhancement."""
    t1nce = torch.tensor([0.3, 0.7, 1.0]).repeat_interleave(20).reshape(1, 1, 3, 4, 5)
    t1nce = t1nce + torch.linspace(-0.02, 0.02, 60).reshape(t1nce.shape)
    t1ce = t1nce - 0.01
    t1ce[0, 0, 0, 0, :4] += 0.51
    mask = torch.ones(t1nce.shape, dtype=torch.bool)
    return {"t1ce": t1ce, "t1nce": t1nce, "mask": mask, "deviation": torch.tensor([0.05])}


def test_the_t1ce_itself_and_the_t1nce() -> None:
    pair = batch()
    same = {name: float(value) for name, value in measure(pair["t1ce"], pair).items()}
    assert same["total"] == same["inside"] == same["outside"] == pytest.approx(1)
    assert same["mean_csf"] == pytest.approx((4 * 0.5 - 16 * 0.01) / 20)
    assert same["mean_wm"] == pytest.approx(-0.01)
    # Four of twenty voxels of fluid are as bright as gray matter.
    assert same["volume_csf"] == pytest.approx(-0.2)
    assert same["volume_gm"] + same["volume_wm"] == pytest.approx(0.2, abs=0.01)
    perfect = {name: float(value) for name, value in measure(pair["t1nce"], pair).items()}
    assert next(iter(perfect)) == "total"
    assert all(value == pytest.approx(0, abs=1e-6) for value in perfect.values())


def test_half_of_the_enhancement() -> None:
    pair = batch()
    half = pair["t1ce"].clone()
    half[0, 0, 0, 0, :4] -= 0.25
    found = {name: float(value) for name, value in measure(half, pair).items()}
    assert found["inside"] == pytest.approx(0.5)
    assert found["outside"] == pytest.approx(1)
