import pickle
from dataclasses import fields

import numpy as np
import pytest

from clinica_t1nce.simulation import effects
from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.effects.barrier_free import TissueAmounts
from clinica_t1nce.simulation.ranges import Sometimes, Uniform
from clinica_t1nce.simulation.relaxation import Injection
from clinica_t1nce.simulation.tissues import Tissue

EVERY_EFFECT = [
    kind
    for kind in vars(effects).values()
    if isinstance(kind, type) and issubclass(kind, effects.Effect) and kind != effects.Effect
]


@pytest.fixture
def contrast() -> Contrast:
    return Contrast.sample(np.random.default_rng(0))


def many(ranges, contrast: Contrast, n: int = 60) -> list:
    rng = np.random.default_rng(1)
    return [ranges.sample(rng, contrast) for _ in range(n)]


@pytest.mark.parametrize("kind", EVERY_EFFECT, ids=lambda kind: kind.__name__)
def test_every_number_of_an_effect_has_a_range(kind) -> None:
    assert all("range" in field.metadata for field in fields(kind))


def test_given_ranges_replace_those_of_the_class(contrast: Contrast) -> None:
    ranges = effects.Dura.ranges(
        probability=1, uptake=(2, 3), thickness=Uniform(5, 6), unenhanced=0
    )
    for dura in many(ranges, contrast):
        assert 2 <= dura.uptake.amount <= 3
        assert 5 <= dura.thickness <= 6
        assert -0.5 <= dura.offset <= 1.0
        assert dura.unenhanced is None


def test_several_numbers_take_a_range_each(contrast: Contrast) -> None:
    for sinuses in many(effects.ThinSinuses.ranges(1, radii=((1, 2), (3, 4), (0, 0))), contrast):
        straight, transverse, sagittal = sinuses.radii
        assert 1 <= straight <= 2 < 3 <= transverse <= 4
        assert sagittal == 0


def test_a_probability_is_the_fraction_of_images(contrast: Contrast) -> None:
    for kind in (effects.Dura, effects.Sinuses):
        shown = sum(one is not None for one in many(kind.ranges(0.3), contrast, 400))
        assert 80 < shown < 160
        assert not any(many(kind.ranges(0), contrast))
        assert all(many(kind.ranges(1), contrast))


def test_vessels_in_tissue_have_no_intensity_of_their_own(contrast: Contrast) -> None:
    in_tissue = Sometimes(1, (2, 3))
    for vessel in many(effects.FreeVessel.ranges(blood=in_tissue), contrast):
        assert vessel.unenhanced is None
        assert 2 <= vessel.blood.amount <= 3


def test_an_injection_takes_doses_in_mmol_per_kg() -> None:
    rng = np.random.default_rng(0)
    ranges = Injection.ranges(dose=(0.2, 0.3), minutes=(4, 5))
    for injection in (ranges.draw(rng) for _ in range(30)):
        assert 0.2 <= injection.dose <= 0.3
        assert 4 <= injection.minutes <= 5
        assert 3.5 <= injection.relaxivity <= 6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"thicknes": (1, 2)}, "Dura has no range thicknes; it has uptake, thickness, "),
        ({"thickness": (2, 1)}, r"Dura: thickness \(2, 1\) .*give the lower end first"),
        ({"thickness": 2}, "Dura: thickness 2 is no range like Uniform"),
        ({"unenhanced": (0.2, 0.5)}, "Dura: unenhanced .* is no range like Sometimes"),
        ({"unenhanced": 2}, r"Dura: unenhanced .* \(probability 2.0: give a number"),
        ({"probability": 1.5}, "Dura: probability 1.5: give a number from 0 to 1"),
    ],
)
def test_what_is_no_range_is_refused(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        effects.Dura.ranges(**given)


def test_some_values_need_ranges_of_their_own_kind(contrast: Contrast) -> None:
    with pytest.raises(ValueError, match=r"amounts .*give TissueAmounts"):
        effects.Extracranial.ranges(amounts=(0, 1))
    skin = TissueAmounts({Tissue.SKIN: (1, 0.1)})
    for effect in many(effects.Extracranial.ranges(amounts=skin), contrast):
        ((tissue, amount),) = effect.amounts
        assert tissue == Tissue.SKIN
        assert 0 <= amount <= 0.1


def test_ranges_go_to_the_processes_that_load_data(contrast: Contrast) -> None:
    ranges = effects.Lesion.ranges(0.5, uptake=Uniform(2, 3), necrosis=0.9)
    again = pickle.loads(pickle.dumps(ranges))
    lesions = many(ranges, contrast)
    assert many(again, contrast) == lesions
    assert all(2 <= lesion.uptake.amount <= 3 for lesion in lesions if lesion is not None)
