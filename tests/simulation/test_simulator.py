import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.scanner import Motion, PointSpread, Quality
from clinica_t1nce.simulation.scanner.acquisition import STEPS
from clinica_t1nce.simulation.simulator import (
    PRESETS,
    numbers_of,
    recipe_of,
    render,
    sample_recipe,
    simulate,
)
from tests.simulation.test_ranges import EVERY_EFFECT

SHAPE = (24, 24, 24)


def test_the_same_seed_gives_the_same_pair(anatomy: Anatomy) -> None:
    first, again, other = (simulate([anatomy], seed, SHAPE) for seed in (3, 3, 4))
    assert torch.equal(first.t1ce, again.t1ce)
    assert torch.equal(first.enhancement, again.enhancement)
    assert not torch.equal(first.t1ce, other.t1ce)


@pytest.mark.parametrize("seed", range(6))
def test_pair_is_sound(seed: int, anatomy: Anatomy) -> None:
    pair = simulate([anatomy], seed, SHAPE)
    assert pair.t1ce.shape == pair.enhancement.shape == pair.mask.shape == (1, *SHAPE)
    assert torch.isfinite(pair.t1ce).all()
    assert torch.allclose(pair.t1nce + pair.enhancement, pair.t1ce)
    assert float(pair.t1ce[~pair.mask].abs().sum()) == 0
    assert float(pair.mask.float().mean()) >= 0.05
    assert float(pair.enhancement.min()) >= 0


def test_some_pairs_are_without_gadolinium_and_most_are_not(anatomy: Anatomy) -> None:
    empty = [float(simulate([anatomy], seed, SHAPE).enhancement.max()) == 0 for seed in range(40)]
    assert 3 <= sum(empty) <= 20


def test_recipe_is_plain_numbers_that_make_the_pair_again(anatomy: Anatomy) -> None:
    recipe = sample_recipe(np.random.default_rng(1), anatomy, SHAPE)
    first, again = (render(recipe, anatomy, SHAPE) for _ in range(2))
    assert torch.equal(first.t1ce, again.t1ce)
    written = json.loads(json.dumps(numbers_of(recipe)))
    assert written["acquisition"]["scale"] == recipe.acquisition.scale
    assert written["acquisition"]["steps"][0]["step"] == "BiasField"
    assert "Texture" in [effect["effect"] for effect in written["effects"]]


def test_a_recipe_about_another_voxel_is_else_the_same(anatomy: Anatomy) -> None:
    drawn = (sample_recipe(np.random.default_rng(n), anatomy, SHAPE) for n in range(99))
    recipe = next(recipe for recipe in drawn if recipe.field_of_view is not None)
    moved = recipe.about([10, 11, 12.5], bend=0.0)
    assert (moved.placement.centre, moved.placement.bend) == ((10, 11, 12.5), 0)
    old = recipe.placement
    back = moved.about(old.centre, bend=old.bend)
    # All comes back as it was, planes of the head to rounding.
    for name in ("field_of_view", "defacing"):
        plane, first = getattr(back, name), getattr(recipe, name)
        assert (plane is None) == (first is None)
        if first is not None:
            assert plane.normal == pytest.approx(first.normal)
            assert plane.offset == pytest.approx(first.offset)
    assert replace(back, field_of_view=recipe.field_of_view, defacing=recipe.defacing) == recipe
    pair, other = (render(each, anatomy, SHAPE) for each in (recipe, moved))
    assert not torch.equal(pair.t1ce, other.t1ce)


@pytest.mark.parametrize("preset", [*PRESETS, Quality(blur=(0.0, 0.0), motion=1.0)])
@pytest.mark.parametrize("seed", range(12))
def test_a_recipe_played_again_gives_the_same_pair(
    seed: int, preset: str | Quality, anatomy: Anatomy
) -> None:
    rng = np.random.default_rng(seed)
    recipe = sample_recipe(rng, anatomy, SHAPE, preset, second_scan=True)
    if isinstance(preset, Quality):
        steps = {type(step): step for step in recipe.acquisition.steps}
        assert steps[PointSpread].sigmas == (0, 0, 0)
        assert Motion in steps
    first, again = (render(recipe, anatomy, SHAPE) for _ in range(2))
    for name in ("t1ce", "enhancement", "mask", "second_t1nce"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    json.dumps(numbers_of(recipe), allow_nan=False)


def test_second_scan_leaves_the_pair_as_it_is_and_is_its_own(anatomy: Anatomy) -> None:
    alone = simulate([anatomy], 5, SHAPE)
    pair = simulate([anatomy], 5, SHAPE, second_scan=True)
    assert torch.equal(alone.t1ce, pair.t1ce)
    assert alone.second_t1nce is None
    assert pair.second_t1nce.shape == pair.t1ce.shape
    assert not torch.allclose(pair.second_t1nce, pair.t1nce, atol=0.01)
    both = (pair.second_t1nce > 0) & pair.mask
    seen = torch.stack([pair.second_t1nce[both], pair.t1nce[both]])
    assert float(torch.corrcoef(seen)[0, 1]) > 0.5


SMALL = (16, 16, 16)
N_SEEDS = 120


@pytest.fixture(scope="module")
def recipes(anatomy: Anatomy) -> list:
    return [
        sample_recipe(np.random.default_rng(seed), anatomy, SMALL, preset, second_scan=True)
        for preset in PRESETS
        for seed in range(N_SEEDS)
    ]


def test_the_recipes_hold_every_effect_and_every_step(recipes: list) -> None:
    assert {type(effect) for recipe in recipes for effect in recipe.effects} == set(EVERY_EFFECT)
    steps = {type(step) for recipe in recipes for step in recipe.acquisition.steps}
    assert steps == set(STEPS)


def test_what_is_written_is_the_recipe(recipes: list) -> None:
    for recipe in recipes:
        assert recipe_of(json.loads(json.dumps(numbers_of(recipe)))) == recipe


@pytest.mark.parametrize("number", [0, 1, N_SEEDS, N_SEEDS + 1])
def test_a_record_makes_the_same_pair(number: int, recipes: list, anatomy: Anatomy) -> None:
    recipe = recipes[number]
    record = recipe_of(json.loads(json.dumps(numbers_of(recipe))))
    first, again = (render(r, anatomy, SMALL) for r in (recipe, record))
    for name in ("t1ce", "enhancement", "mask", "second_t1nce"):
        assert torch.equal(getattr(first, name), getattr(again, name))
