from collections import Counter

import pytest
import torch

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.training.data.mixture import Mixture
from clinica_t1nce.training.data.numbered import Batch


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
