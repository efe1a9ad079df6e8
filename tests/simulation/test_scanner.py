import numpy as np
import pytest
import torch

from clinica_t1nce.simulation import scanner
from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.geometry import Placement
from clinica_t1nce.simulation.scanner.acquisition import STEPS, Move
from clinica_t1nce.simulation.scene import Scene

UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
TURNED = ((0.0, -1.1, 0.0), (0.9, 0.0, 0.0), (0.0, 0.1, 1.0))
STILL = Move((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


def drawn(step, seed: int = 0):
    rng = np.random.default_rng(seed)
    while (found := step.sample(rng, scanner.VARIED)) is None:
        pass
    return found


def placed(centre, matrix) -> Placement:
    return Placement(tuple(centre), matrix, bend=0.0, bend_spacing=10.0, seed=0)


@pytest.fixture
def pair() -> torch.Tensor:
    return torch.rand(2, 24, 24, 24, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_step_keeps_shape_and_repeats(step, pair: torch.Tensor) -> None:
    applied = drawn(step)
    given = pair.clone()
    once = applied(pair)
    assert torch.equal(pair, given)
    assert once.shape == pair.shape
    assert torch.isfinite(once).all()
    assert torch.equal(once, applied(pair))
    assert not torch.equal(once, pair)


@pytest.mark.parametrize(
    "step", [step for step in STEPS if step is not scanner.Noise], ids=lambda step: step.__name__
)
def test_step_adds_no_gadolinium(step, pair: torch.Tensor) -> None:
    pair[1] = 0
    assert float(drawn(step)(pair)[1].abs().max()) < 1e-6


def test_gaussian_noise_leaves_the_enhancement_alone(pair: torch.Tensor) -> None:
    noisy = scanner.Noise(size=0.05, smoothness=0.0, rician=False, seed=1)(pair)
    assert torch.equal(noisy[1], pair[1])
    assert float((noisy[0] - pair[0]).std()) == pytest.approx(0.05, rel=0.05)


def test_rician_noise_lifts_the_dark_and_hardly_touches_strong_enhancement() -> None:
    pair = torch.zeros(2, 24, 24, 24)
    pair[1, :12] = 1.0
    noisy = scanner.Noise(size=0.05, smoothness=0.0, rician=True, seed=1)(pair)
    rayleigh_mean = 0.05 * np.sqrt(np.pi / 2)
    assert float(noisy[0].mean()) == pytest.approx(rayleigh_mean, rel=0.03)
    assert float(noisy[1, :12].mean()) == pytest.approx(1 - rayleigh_mean, abs=0.01)
    assert float(noisy[1, 12:].abs().max()) == 0


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


def test_a_move_shifts_by_voxels_and_turns_by_degrees() -> None:
    volume = torch.zeros(1, 15, 17, 19)
    volume[0, 9, 8, 9] = 1.0
    shifted = Move((0.0, 0.0, 0.0), (0.0, 2.0, -1.0))(volume)
    assert float(shifted[0, 9, 6, 10]) == pytest.approx(1, abs=1e-3)
    # A quarter turn in the plane of the first two axes, about the middle (7, 8, 9).
    turned = Move((0.0, 0.0, 90.0), (0.0, 0.0, 0.0))(volume)
    assert float(turned[0, 7, 6, 9] + turned[0, 7, 10, 9]) == pytest.approx(1, abs=1e-3)


def test_motion_without_movement_changes_nothing(pair: torch.Tensor) -> None:
    still = scanner.Motion(axis=1, moves=(STILL, STILL), bounds=(-0.3, 0.4))(pair)
    assert torch.allclose(still, pair, atol=1e-4)


def test_motion_keeps_the_low_frequencies(pair: torch.Tensor) -> None:
    moved = scanner.Motion(1, (Move((5.0, 0.0, 0.0), (0.0, 2.0, 0.0)),), (0.2,))(pair)
    assert float((moved - pair).abs().mean()) > 0.03
    assert float(moved[0].mean()) == pytest.approx(float(pair[0].mean()), rel=0.02)


def test_ghosts_are_shifted_copies() -> None:
    pair = torch.zeros(2, 20, 20, 20)
    pair[0, 5, 6, 7] = 1.0
    out = scanner.Ghosts(axis=2, copies=((0.25, 0.1),))(pair)
    assert float(out[0, 5, 6, 12]) == pytest.approx(0.1)
    assert float(out.sum()) == pytest.approx(1.1)


@pytest.mark.parametrize("share", [0.2, -0.2])
def test_wrap_folds_one_edge_over_the_other(share: float) -> None:
    pair = torch.zeros(2, 20, 20, 20)
    far, near = (18, 2) if share > 0 else (1, 17)
    pair[0, far] = 1.0
    out = scanner.Wrap(axis=0, share=share, weight=0.5)(pair)
    assert float(out[0, near].mean()) == pytest.approx(0.5, abs=0.05)
    assert float(out[0, far].mean()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("depth", "margin"), [(1.0, None), (None, 1.0), (1.0, 1.0)])
def test_mask_keeps_the_brain_and_drops_the_scalp(depth, margin, scene: Scene) -> None:
    mask = scanner.Stripping(depth, margin, waviness=0.0, waviness_spacing=5.0, seed=0).mask(scene)
    assert mask[scene.outside_tissue < -2].all()
    assert not mask[(scene.depth < -1) & (scene.outside_tissue > 4)].any()


def test_defacing_spares_the_cavity_and_what_lies_behind(scene: Scene, anatomy: Anatomy) -> None:
    rng = np.random.default_rng(0)
    middle = tuple(n // 2 for n in scene.shape)
    mask = scanner.Defacing.sample(rng, placed(middle, UPRIGHT), anatomy).mask(scene)
    assert mask[scene.depth > 0].all()
    assert mask[:, : middle[1]].all()
    assert not mask[middle[0], -1, 0]
    assert mask.float().mean() > 0.7


def test_field_of_view_ends_above_or_below(scene: Scene, anatomy: Anatomy) -> None:
    middle = [(n - 1) / 2 for n in scene.shape]
    placement = placed(middle, UPRIGHT)
    rng = np.random.default_rng(0)
    drawn = [scanner.FieldOfView.sample(rng, placement, anatomy) for _ in range(200)]
    cuts = [cut for cut in drawn if cut is not None]
    assert 20 < len(cuts) < 60
    assert {np.sign(cut.normal[2]) for cut in cuts} == {-1, 1}
    cut = scanner.FieldOfView((0.0, 0.0, 1.0), 2.0)
    kept = cut.mask(scene).nonzero()[:, 2]
    assert kept.min() == 0
    assert kept.max() == np.ceil(middle[2] + 2) - 1


@pytest.mark.parametrize("cut", [scanner.FieldOfView, scanner.Defacing])
def test_a_plane_is_the_same_for_another_patch(cut, anatomy: Anatomy) -> None:
    rng = np.random.default_rng(1)
    old, new = placed((10, 12, 14), UPRIGHT), placed((20, 15, 9), TURNED)
    while (first := cut.sample(rng, old, anatomy)) is None:
        pass
    second = first.moved(old, new)
    for voxel in rng.uniform(-20, 40, (50, 3)):
        beyond = [
            np.dot(plane.normal, np.linalg.solve(at.matrix, voxel - at.centre)) - plane.offset
            for plane, at in ((first, old), (second, new))
        ]
        assert beyond[0] == pytest.approx(beyond[1], abs=1e-9)


def test_low_quality_is_worse(pair: torch.Tensor) -> None:
    rng = np.random.default_rng(0)
    count = {
        name: sum(len(scanner.Acquisition.sample(rng, quality).steps) for _ in range(50))
        for name, quality in (("low", scanner.LOW), ("varied", scanner.VARIED))
    }
    assert count["low"] > 1.3 * count["varied"]
