"""Real brains inside simulated heads."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clinica_t1nce.simulation.anatomy import Anatomy, prepare_anatomy
from clinica_t1nce.simulation.geometry import Placement
from clinica_t1nce.simulation.simulator import render, sample_recipe
from clinica_t1nce.simulation.tissues import BRAIN, PARENCHYMA, Tissue
from clinica_t1nce.training.data.fitted_pairs import Facts, FittedPair
from clinica_t1nce.training.data.real import RealPatches, RealVolumes
from clinica_t1nce.training.data.surroundings import (
    BEYOND,
    SimulatedSurroundings,
    extent_of,
    fit_placement,
)
from tests.data.heads import label_map

SIDE = 64


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return prepare_anatomy(label_map())


@pytest.fixture(scope="module")
def surroundings(anatomy: Anatomy) -> SimulatedSurroundings:
    return SimulatedSurroundings([anatomy])


@pytest.fixture(scope="module")
def pair() -> FittedPair:
    """A ball for a brain, 32 voxels across, with something that enhances."""
    place = np.indices((SIDE,) * 3) - SIDE / 2
    ball = (np.square(place).sum(axis=0) < 16**2).astype(np.float16)
    t1ce = ball.copy()
    t1ce[30:34, 30:34, 30:34] = 2
    return FittedPair(np.stack([t1ce, ball, ball]), Facts(0.05, 0.02, 0.0, (0.0, 0.0, 0.0)))


def test_the_two_brains_cover_each_other(anatomy: Anatomy) -> None:
    head = extent_of(np.isin(anatomy.tissue, PARENCHYMA))
    extent = np.array([[10.0, 20, 30], [110, 100, 130]])
    drawn = Placement.sample(np.random.default_rng(0), anatomy)

    def lands(voxel: np.ndarray) -> np.ndarray:
        return np.array(fit_placement(drawn, tuple(voxel), extent, head).centre)

    top = np.array([*extent.mean(axis=0)[:2], extent[1, 2]])
    assert lands(top) == pytest.approx([*head.mean(axis=0)[:2], head[1, 2]])
    for axis in range(2):
        for end in range(2):
            voxel = top.copy()
            voxel[axis] = extent[end, axis]
            assert lands(voxel)[axis] == pytest.approx(head[end, axis])
    assert fit_placement(drawn, (0, 0, 0), extent, head).bend == 0


def test_a_head_lies_around_the_brain_as_it_is(
    surroundings: SimulatedSurroundings, pair: FittedPair
) -> None:
    t1ce, t1nce, mask = (torch.from_numpy(v.astype(np.float32)) for v in pair.volumes)
    extent, centre = extent_of(pair.volumes[0]), [(SIDE - 1) / 2] * 3
    brain = t1ce > 0
    seen = []
    for seed in range(6):
        found = surroundings((t1ce, t1nce, mask), centre, extent, np.random.default_rng(seed))
        for before, after in zip((t1ce, t1nce, mask), found, strict=True):
            assert torch.equal(before[brain], after[brain])
        around = ~brain & (found[2] > 0)
        # Scalp and skull, of which nothing is known where there is air.
        assert 0.02 < float(around.float().mean()) < 0.9
        assert float(found[0][around].min()) > 0.1
        seen.append(found[0][~brain])
    assert not torch.equal(seen[0], seen[1])
    again = surroundings((t1ce, t1nce, mask), centre, extent, np.random.default_rng(5))
    assert torch.equal(again[0][~brain], seen[5])


def test_nothing_is_left_of_the_simulated_brain(anatomy: Anatomy) -> None:
    rng = np.random.default_rng(0)
    recipe = sample_recipe(rng, anatomy, (48,) * 3).about([s / 2 for s in anatomy.tissue.shape])
    recipe = replace(recipe, effects=(), stripping=None, defacing=None, field_of_view=None)
    tissue = recipe.placement.place(anatomy, (48,) * 3).tissue
    nowhere = torch.zeros((48,) * 3, dtype=torch.bool)
    left, whole = (render(recipe, anatomy, (48,) * 3, brain=b).t1nce[0] for b in (nowhere, None))
    own = torch.isin(tissue, torch.tensor(BRAIN))
    fluid = tissue == Tissue.CSF
    assert own.any() and fluid.any()
    assert float(left[own].mean()) == pytest.approx(float(left[fluid].mean()), rel=0.5)
    assert float(whole[own].mean()) > 1.5 * float(left[own].mean())


def test_patches_of_bare_brains_get_a_head_where_wanted(
    surroundings: SimulatedSurroundings, pair: FittedPair
) -> None:
    def filled(one: FittedPair, *options: SimulatedSurroundings | float) -> float:
        source = RealPatches([one], 1, 32, 0.0, None, *options)
        shown = [source.pair(number)["t1ce"] > 0 for number in range(8)]
        return float(torch.stack(shown).float().mean())

    plain = filled(pair)
    assert filled(pair, surroundings, 0.0) == pytest.approx(plain, abs=0.15)
    assert filled(pair, surroundings, 1.0) > plain + 0.1
    thick = replace(pair, facts=replace(pair.facts, blur=(0.0, 0.0, 1.6)))
    assert filled(thick, surroundings, 1.0) == pytest.approx(plain)
    whole = FittedPair(np.where(pair.volumes == 0, np.float16(0.2), pair.volumes), pair.facts)
    assert torch.equal(
        RealPatches([whole], 1, 32, 0.0, None, surroundings, 1.0).pair(3)["t1ce"],
        RealPatches([whole], 1, 32, 0.0).pair(3)["t1ce"],
    )


def test_validation_sees_each_brain_bare_and_in_a_head(
    surroundings: SimulatedSurroundings, pair: FittedPair
) -> None:
    source = RealVolumes([pair], 16, surroundings)
    assert source.epoch == 2
    bare, head = source.pair(0), source.pair(1)
    assert all(side % 16 == 0 for side in head["t1ce"].shape[1:])
    inner = tuple(slice(BEYOND, BEYOND + SIDE) for _ in range(3))
    brain = bare["t1ce"][0] > 0
    for side in ("t1ce", "t1nce"):
        assert torch.equal(head[side][0][inner][brain], bare[side][0][brain])
    # The brain alone is measured.
    assert int(head["mask"].sum()) == int(bare["mask"].sum())
    assert float((head["t1ce"] > 0).sum()) > 1.5 * float((bare["t1ce"] > 0).sum())
    assert torch.equal(source.pair(1)["t1ce"], head["t1ce"])
