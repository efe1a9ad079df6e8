import json

import numpy as np
import pytest
import torch

from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.records import numbers_of, recipe_of
from clinica_t1nce.simulation.scanner.acquisition import STEPS
from clinica_t1nce.simulation.simulator import PRESETS, render, sample_recipe
from tests.simulation.test_ranges import EVERY_EFFECT

SHAPE = (16, 16, 16)
N_SEEDS = 120


@pytest.fixture(scope="module")
def recipes(anatomy: Anatomy) -> list:
    return [
        sample_recipe(np.random.default_rng(seed), anatomy, SHAPE, preset, second_scan=True)
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
    first, again = (render(r, anatomy, SHAPE) for r in (recipe, record))
    for name in ("t1ce", "enhancement", "mask", "second_t1nce"):
        assert torch.equal(getattr(first, name), getattr(again, name))
