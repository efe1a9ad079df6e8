import numpy as np
import pytest
import torch

from clinica_t1nce.simulation import scanner
from clinica_t1nce.simulation.scene import Scene

STEPS = [scanner.BiasField, scanner.PointSpread, scanner.Noise, scanner.ThickSlices]


def drawn(step, seed: int = 0):
    rng = np.random.default_rng(seed)
    while (found := step.sample(rng)) is None:
        pass
    return found


@pytest.fixture
def pair() -> torch.Tensor:
    return torch.rand(2, 24, 24, 24, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_step_keeps_shape_and_repeats(step, pair: torch.Tensor) -> None:
    applied = drawn(step)
    once = applied(pair)
    assert once.shape == pair.shape
    assert torch.equal(once, applied(pair))
    assert not torch.equal(once, pair)


def test_noise_leaves_the_enhancement_alone(pair: torch.Tensor) -> None:
    noisy = scanner.Noise(size=0.05, smoothness=0.0, seed=1)(pair)
    assert torch.equal(noisy[1], pair[1])
    assert float((noisy[0] - pair[0]).std()) == pytest.approx(0.05, rel=0.05)


def test_bias_field_is_shared(pair: torch.Tensor) -> None:
    out = scanner.BiasField(size=0.2, spacing=30, seed=1)(pair)
    ratio = out / pair
    assert torch.allclose(ratio[0], ratio[1], rtol=1e-4)


def test_thick_slices_blur_their_axis_only(pair: torch.Tensor) -> None:
    out = scanner.ThickSlices(axis=1, thickness=4.0, noise=0.0, seed=0)(pair)

    def roughness(v: torch.Tensor, axis: int) -> float:
        return float(torch.diff(v[0], dim=axis).square().mean())

    assert roughness(out, 1) < 0.1 * roughness(pair, 1)
    assert roughness(out, 0) / roughness(out, 1) > 3


@pytest.mark.parametrize(("depth", "margin"), [(1.0, None), (None, 1.0), (1.0, 1.0)])
def test_mask_keeps_the_brain_and_drops_the_scalp(depth, margin, scene: Scene) -> None:
    mask = scanner.Stripping(depth, margin, waviness=0.0, waviness_spacing=5.0, seed=0).mask(scene)
    assert mask[scene.outside_tissue < -2].all()
    assert not mask[(scene.depth < -1) & (scene.outside_tissue > 4)].any()
