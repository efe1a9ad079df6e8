from itertools import islice

import pytest
import torch
from torch.utils.data import DataLoader

from clinica_t1nce.simulation.anatomy import Anatomy, prepare
from clinica_t1nce.training.data import SimulatedSet, SimulatedStream
from tests.data.heads import label_map

SHAPE = (16, 16, 16)


@pytest.fixture(scope="module")
def heads() -> list[Anatomy]:
    return [prepare(label_map())]


def test_stream_can_be_entered_anywhere(heads: list[Anatomy]) -> None:
    whole = list(islice(SimulatedStream(heads, SHAPE, seed=1), 5))
    tail = list(islice(SimulatedStream(heads, SHAPE, seed=1, start=3), 2))
    for late, entered in zip(whole[3:], tail, strict=True):
        assert torch.equal(late["t1ce"], entered["t1ce"])
        assert torch.equal(late["enhancement"], entered["enhancement"])
    assert not torch.equal(whole[0]["t1ce"], whole[1]["t1ce"])


def test_workers_give_the_pairs_in_the_same_order(heads: list[Anatomy]) -> None:
    stream = SimulatedStream(heads, SHAPE, seed=1)
    alone = [batch["t1ce"] for batch in islice(DataLoader(stream, batch_size=1), 4)]
    shared = [batch["t1ce"] for batch in islice(DataLoader(stream, batch_size=1, num_workers=2), 4)]
    assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))


def test_set_is_fixed(heads: list[Anatomy]) -> None:
    first, again = (SimulatedSet(heads, SHAPE, seed=2, size=2) for _ in range(2))
    assert len(first) == 2
    assert torch.equal(first[1]["t1ce"], again[1]["t1ce"])
