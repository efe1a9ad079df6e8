from itertools import islice

import pytest
import torch

from clinica_t1nce.simulation.anatomy import Anatomy, prepare
from clinica_t1nce.training.data.numbered import Fixed, Share, loader
from clinica_t1nce.training.data.simulated import SimulatedHeads, SimulatedPatches
from tests.data.heads import label_map

SHAPE = (16, 16, 16)


@pytest.fixture(scope="module")
def patches() -> SimulatedPatches:
    return SimulatedPatches([prepare(label_map())], SHAPE, seed=1)


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return prepare(label_map())


def batches(source, share: Share, number: int, workers: int = 0) -> list[torch.Tensor]:
    return [batch["t1ce"] for batch in islice(loader(source, share, workers), number)]


def test_pairs_can_be_entered_anywhere(patches: SimulatedPatches) -> None:
    whole = batches(patches, Share(1), 5)
    tail = batches(patches, Share(1, start=3), 2)
    assert all(torch.equal(a, b) for a, b in zip(whole[3:], tail, strict=True))
    assert not torch.equal(whole[0], whole[1])


def test_workers_give_the_batches_in_the_same_order(patches: SimulatedPatches) -> None:
    alone = batches(patches, Share(2), 3)
    shared = batches(patches, Share(2), 3, workers=2)
    # Not to the bit: a worker has one thread, this process may have more.
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(alone, shared, strict=True))


def test_processes_share_what_one_would_have(patches: SimulatedPatches) -> None:
    alone = batches(patches, Share(2), 2)
    first, second = (batches(patches, Share(1, rank=rank, processes=2), 2) for rank in (0, 1))
    for whole, *halves in zip(alone, first, second, strict=True):
        assert torch.equal(whole, torch.cat(halves))


def test_fixed_pairs_are_the_first(patches: SimulatedPatches) -> None:
    fixed = Fixed(patches, 2)
    assert fixed.epoch == 2
    assert torch.equal(fixed.pair(1)["t1ce"], patches.pair(1)["t1ce"])


def test_whole_heads_are_scaled_and_resampled(anatomy: Anatomy) -> None:
    scaling = {"method": "min-max"}
    source = SimulatedHeads([anatomy], SHAPE, scaling, seed=3, shape=(48, 52, 44))
    pair = source.pair(7)
    assert pair["t1ce"].shape == pair["t1nce"].shape == (1, *SHAPE)
    assert pair["mask"].all()
    for side in ("t1ce", "t1nce"):
        # Resampling takes some off the extremes.
        assert 0 <= float(pair[side].min()) < 0.2
        assert 0.5 < float(pair[side].max()) <= 1
    assert torch.equal(pair["t1nce"], source.pair(7)["t1nce"])
    assert not torch.equal(pair["t1nce"], source.pair(8)["t1nce"])
