import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from clinica_t1nce.simulation import effects
from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.look_alikes import Bands
from clinica_t1nce.simulation.gadolinium import Gadolinium, sample_disease
from clinica_t1nce.simulation.relaxation import Injection
from clinica_t1nce.simulation.simulator import sample_recipe, simulate
from tests.data.heads import label_map

SHAPE = (24, 24, 24)


def test_two_patches_of_five_show_disease() -> None:
    rng = np.random.default_rng(0)
    contrast = Contrast.sample(rng)
    draws = [sample_disease(rng, contrast) for _ in range(400)]
    assert 120 < sum(bool(lesions) for lesions in draws) < 200
    assert {type(lesion) for lesions in draws for lesion in lesions} == set(effects.KINDS)


def test_gadolinium_as_usual_is_the_default(anatomy: Anatomy) -> None:
    usual, given = (
        simulate([anatomy], 3, SHAPE, **kwargs) for kwargs in ({}, {"gadolinium": Gadolinium()})
    )
    assert torch.equal(usual.t1ce, given.t1ce)


def test_gadolinium_can_be_varied(anatomy: Anatomy) -> None:
    gadolinium = Gadolinium(
        enhanced=1,
        injection=Injection.ranges(dose=(0.2, 0.21)),
        strength=(3, 4),
        disease=1,
        effects=[
            effects.Sinuses.ranges(probability=0),
            effects.Dura.ranges(probability=1, uptake=(2, 3)),
            effects.Texture.ranges(bands=Bands(size=0, strong=0)),
        ],
    )
    rng = np.random.default_rng(0)
    for _ in range(20):
        recipe = sample_recipe(rng, anatomy, SHAPE, gadolinium=gadolinium)
        found = {type(effect): effect for effect in recipe.effects}
        assert recipe.enhanced
        relaxation = recipe.contrast.relaxation
        if relaxation is None:
            assert 3 <= recipe.contrast.strength <= 4
        else:
            assert 0.2 <= relaxation.injection.dose <= 0.21
        assert set(found) & set(effects.KINDS)
        assert effects.Sinuses not in found
        assert found[effects.Dura].uptake.amount >= 2
        assert {size for _, size in found[effects.Texture].bands} == {0}
    assert simulate([anatomy], 5, SHAPE, gadolinium=gadolinium).enhancement.max() > 0
    none = simulate([anatomy], 5, SHAPE, gadolinium=Gadolinium(enhanced=0))
    assert not none.enhancement.any()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"enhanced": 2}, "enhanced 2: give a number from 0 to 1"),
        ({"disease": -1}, "disease -1"),
        ({"strength": (2, 1)}, "lower end first"),
        ({"effects": [effects.Dura.ranges(0), effects.Dura.ranges(1)]}, "Dura, Dura: .*one entry"),
        ({"effects": [Injection.ranges()]}, "Injection: give effects"),
        ({"injection": Injection.ranges(0.5)}, "injection: has no probability"),
    ],
)
def test_gadolinium_that_cannot_be_is_refused(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Gadolinium(**given)


def test_the_example_of_the_documentation_runs(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (repository / "docs" / "simulation.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    nib.save(
        nib.Nifti1Image(label_map().astype(np.int16), np.eye(4)), tmp_path / "label_map.nii.gz"
    )
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(example, names)
    assert names["pair"].t1ce.shape == (1, 64, 64, 64)
    assert names["pair"].enhancement.max() > 0
    rng, anatomy = np.random.default_rng(0), names["anatomy"]
    recipes = [
        sample_recipe(rng, anatomy, SHAPE, gadolinium=names["half_a_dose"]) for _ in range(40)
    ]
    kinds = [{type(effect) for effect in recipe.effects} for recipe in recipes]
    assert all(effects.Dura in found and effects.Fat not in found for found in kinds)
    assert sum(bool(found & set(effects.KINDS)) for found in kinds) < 12
    assert all(recipe.enhanced for recipe in recipes)
