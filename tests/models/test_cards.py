import json
import re
from pathlib import Path

import pytest

import clinica_t1nce
from clinica_t1nce.errors import WeightsError
from clinica_t1nce.models import registry
from clinica_t1nce.models.cards import Card


def make_card(**changes):
    fields = registry.preset("change-unet") | {"hyperparameters": {"widths": [2, 4]}} | changes
    return Card(name="tiny", **fields)


def test_card_is_written_and_read_whole():
    card = make_card(licence="MIT", training={"seed": 3}, sha256="0" * 64)
    again = Card.from_json(card.to_json())
    assert again == card
    assert (again.grid, again.input.multiple, again.scaling["method"]) == (None, 8, "percentile")
    assert again.inference.mirrors == ((), (0,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "resnet"}, "architecture 'resnet' unknown; known: att-unet"),
        ({"architecture": ...}, "fields missing: architecture"),
        ({"sha256": ...}, "fields missing: sha256"),
        ({"license": "MIT"}, "fields unknown: license"),
        ({"name": "../../etc"}, "name '../../etc'"),
        ({"name": 3}, "name 3"),
        ({"output": "mask"}, "output 'mask' unknown; known: image, change"),
        ({"hyperparameters": [2, 4]}, "hyperparameters is not an object"),
        ({"input": {"grid": [128, 128]}}, "input.grid"),
        ({"input": {"grid": [128, 128, -1]}}, "input.grid"),
        ({"input": {"multiple": 0.5}}, "input.multiple"),
        ({"input": {"grid": None}}, "input.scaling"),
        ({"input": {"scaling": {"method": "z-score"}}}, "input.scaling: unknown scaling"),
        ({"input": {"scaling": 3}}, "input.scaling"),
        ({"inference": {"mirrors": []}}, "inference.mirrors"),
        ({"inference": {"mirrors": [[3]]}}, "inference.mirrors"),
        ({"inference": {"mirrors": [[1, 1]]}}, "inference.mirrors"),
        ({"inference": {"mirrors": [1]}}, "inference.mirrors"),
        ({"inference": {"quantile": 1.0}}, "inference.quantile"),
        ({"inference": {"quantile": "most"}}, "inference.quantile"),
        ({"inference": {"batch_statistics": "yes"}}, "inference.batch_statistics 'yes'"),
        ({"inference": {"guided": 1}}, "inference.guided 1"),
        ({"inference": {"fade": 0.1}}, "inference.fade 0.1"),
        ({"inference": {"fade": [0.2, 0.1]}}, "inference.fade (0.2, 0.1)"),
        ({"inference": {"memory_gb": -1}}, "inference.memory_gb -1"),
        ({"inference": {"memory_gb": "2"}}, "inference.memory_gb '2'"),
        ({"inference": [[]]}, "inference is not an object"),
        ({"input": None}, "input is not an object"),
        ({"licence": 3}, "licence 3 is not a text"),
        ({"sha256": None}, "sha256 None is not a text"),
        ({"inference": {"mirors": [[]]}}, "fields unknown: inference.mirors"),
        ({"inference": {"guide": True, "z": 1}}, "fields unknown: inference.guide, inference.z"),
        ({"input": {"gird": None}}, "fields unknown: input.gird"),
        ({"calibration": {"gadolinum": {}}}, "fields unknown: calibration.gadolinum"),
        (
            {"input": {"scaling": {"method": "percentile", "percentil": 70}}},
            "input.scaling: scaling 'percentile' does not take {'percentil': 70}",
        ),
    ],
)
def test_fields_that_cannot_be_used(changes, message):
    content = json.loads(make_card(sha256="0" * 64).to_json()) | changes
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}"):
        Card.from_json(json.dumps({key: v for key, v in content.items() if v is not ...}))


SHIPPED = sorted((Path(clinica_t1nce.__file__).parent / "weights").glob("*.json"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_cards_of_earlier_versions_say_the_same(path):
    old = json.loads(path.read_text(encoding="utf-8"))
    card = Card.from_json(json.dumps(old))
    assert json.loads(card.to_json()) == old
    assert [list(axes) for axes in card.inference.mirrors] == old["inference"]["mirrors"]
    assert card.inference.memory_gb == old["inference"]["memory_gb"]
    assert card.inference.guided == old["inference"].get("guided", False)
    assert card.inference.quantile == old["inference"].get("quantile", 0.5)
    assert card.scaling == old["input"]["scaling"]
    assert list(card.grid or []) == (old["input"]["grid"] or [])


def test_values_that_are_said_though_they_are_the_defaults_can_be_left_out():
    said = make_card(
        inference={"mirrors": [[], [0]], "quantile": 0.5, "guided": False}, calibration={}
    )
    assert said == make_card(inference={"mirrors": [[], [0]]})
    assert json.loads(said.to_json())["inference"] == {"mirrors": [[], [0]]}


@pytest.mark.real
def test_the_card_of_the_trial_on_real_pairs_loads():
    path = Path("../shared/reference/prototype/real_pairs.json")
    if not path.is_file():
        pytest.skip("no prototype here")
    card = Card.from_json(path.read_text(encoding="utf-8"))
    assert (card.name, card.inference.quantile, card.inference.guided) == (
        "real-pairs-trial",
        0.5,
        False,
    )
