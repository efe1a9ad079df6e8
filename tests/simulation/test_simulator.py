import json

import numpy as np
import pytest
import torch

from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.simulator import realise, sample_recipe, simulate

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
    first, again = (realise(recipe, anatomy, SHAPE) for _ in range(2))
    assert torch.equal(first.t1ce, again.t1ce)
    written = json.loads(json.dumps(recipe.numbers()))
    assert written["scale"] == recipe.scale
    assert "Texture" in [effect["effect"] for effect in written["effects"]]
