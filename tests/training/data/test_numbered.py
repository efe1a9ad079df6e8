from collections import Counter
from itertools import islice

import pytest
import torch

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.simulation.anatomy import Anatomy, prepare_anatomy
from clinica_t1nce.training.data.numbered import Batch, Fixed, Mixture, Share, loader
from clinica_t1nce.training.data.simulated import SimulatedHeads, SimulatedPatches
from tests.data.heads import label_map

SHAPE = (16, 16, 16)


@pytest.fixture(scope="module")
def patches() -> SimulatedPatches:
    return SimulatedPatches([prepare_anatomy(label_map())], SHAPE, seed=1)


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return prepare_anatomy(label_map())


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


class Numbers:
    """Pairs that say which one they are."""

    epoch = None

    def __init__(self, first: int, **more: torch.Tensor):
        self.first = first
        self.more = more

    def pair(self, number: int) -> Batch:
        value = torch.full((1, 2, 2, 2), float(self.first + number))
        return {"t1ce": value, "t1nce": value, "mask": value > -1, **self.more}


def test_parts_of_a_round_and_no_pair_twice() -> None:
    mixture = Mixture({"a": Numbers(0), "b": Numbers(1000)}, {"a": 3, "b": 2})
    drawn = [int(mixture.pair(n)["t1ce"].max()) for n in range(50)]
    assert sorted(drawn) == [*range(30), *range(1000, 1020)]
    for start in range(0, 50, 5):
        assert Counter(n >= 1000 for n in drawn[start : start + 5]) == {False: 3, True: 2}


def test_pairs_of_all_sources_go_into_one_batch() -> None:
    noisy = Numbers(0, noisy=torch.tensor(True), blur=torch.ones(3))
    mixture = Mixture({"a": noisy, "b": Numbers(5)}, {"a": 1, "b": 1})
    first, second = mixture.pair(0), mixture.pair(1)
    assert set(first) == set(second)
    assert bool(first["noisy"]) and not bool(second["noisy"])
    assert first["blur"].tolist() == [1, 1, 1]
    assert second["blur"].tolist() == [0, 0, 0]
    assert second["intracranial"].all()


@pytest.mark.parametrize("parts", [{"a": 1}, {"a": 1, "b": 0}, {}])
def test_a_part_for_each_source(parts: dict[str, int]) -> None:
    with pytest.raises(TrainingError, match="one number of 1 or more for each of a, b"):
        Mixture({"a": Numbers(0), "b": Numbers(1)}, parts)
