import json
import re

import pytest

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
    assert (again.grid, again.multiple, again.scaling["method"]) == (None, 8, "percentile")
    assert again.mirrors == ((), (0,))


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
    ],
)
def test_fields_that_cannot_be_used(changes, message):
    content = json.loads(make_card(sha256="0" * 64).to_json()) | changes
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}"):
        Card.from_json(json.dumps({key: v for key, v in content.items() if v is not ...}))
