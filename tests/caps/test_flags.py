from types import SimpleNamespace

import pytest

from clinica_t1nce.caps.flags import find_flags
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.synthesis import Flag

SHOWN = Flag("contradiction", "the image shows gadolinium, the metadata do not")
NOT_SHOWN = Flag("contradiction", "the metadata say gadolinium (ce entity), the image shows none")


@pytest.mark.parametrize(
    ("selected_by", "gadolinium", "confidence", "expected"),
    [
        (SelectedBy("metadata", "ce entity"), 0.9, 0.8, []),
        (SelectedBy("metadata", "ce entity"), None, None, []),
        (None, 0.1, 0.8, []),
        (SelectedBy("all"), 0.1, 0.8, []),
        (SelectedBy("all", "ce entity"), 0.1, 0.8, [NOT_SHOWN]),
        (SelectedBy("metadata", "ce entity"), 0.1, 0.8, [NOT_SHOWN]),
        (SelectedBy("include-t1nce"), 0.1, 0.8, []),
        (SelectedBy("include-t1nce"), 0.9, 0.8, [SHOWN]),
        (SelectedBy("tsv"), 0.9, 0.0, [Flag("low-confidence", "low confidence (0.00)")]),
    ],
)
def test_what_is_to_be_looked_at_is_flagged(selected_by, gadolinium, confidence, expected):
    synthesis = SimpleNamespace(gadolinium=gadolinium, confidence=confidence, flags=())
    assert find_flags(selected_by, synthesis) == expected
