import numpy as np
import pytest

from clinica_t1nce.evaluation.brain_masks import STRIPPED
from clinica_t1nce.evaluation.measures import FAR, LOW_OVERLAP, find_pair_flags


def moved(distance):
    transform = np.eye(4)
    transform[:3, 3] = distance / np.sqrt(3)
    return transform


@pytest.mark.parametrize(
    ("overlap", "distance", "sources", "shares", "expected"),
    [
        (LOW_OVERLAP, FAR - 0.01, ["deepbet", "deepbet"], [0.0], None),
        (LOW_OVERLAP - 0.01, 0, [], [], "the brain masks of the two images differ"),
        (1.0, FAR + 0.01, [], [], "the alignment moved the T1nce far"),
        (1.0, 0, ["deepbet", STRIPPED], [], "skull-stripped images: each is its own mask"),
        (1.0, 0, [], [0.5, -0.1], "a synthetic image is farther from the T1nce than the T1ce is"),
    ],
)
def test_what_is_to_be_looked_at(overlap, distance, sources, shares, expected):
    found = find_pair_flags(overlap, moved(distance), sources, shares)
    assert found == ([] if expected is None else [expected])
