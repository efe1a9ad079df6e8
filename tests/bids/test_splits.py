import pytest

from clinica_t1nce.bids.pairs import PairRow
from clinica_t1nce.bids.splits import assign
from clinica_t1nce.errors import SelectionError

ROWS = [PairRow(f"sub-{n:02d}", "ses-B", f"ses-{side}") for n in range(20) for side in "AC"]


def test_same_seed_same_split_whatever_the_order() -> None:
    parts = assign(ROWS, validation=0.2)
    assert assign(ROWS[::-1], validation=0.2) == parts
    assert assign(ROWS, validation=0.2, seed=1) != parts
    splits = [part.split for part in parts.values()]
    assert len(parts) == 20
    assert (splits.count("test"), splits.count("validation"), splits.count("train")) == (2, 4, 14)


def test_folds_share_out_everyone_who_is_not_tested_on() -> None:
    parts = assign(ROWS, folds=5)
    folds = [part.fold for part in parts.values() if part.split != "test"]
    sizes = [folds.count(fold) for fold in range(5)]
    assert max(sizes) - min(sizes) <= 1
    assert all(part.fold is None for part in parts.values() if part.split == "test")


def test_low_quality_is_only_tested_on() -> None:
    rows = [*ROWS, PairRow("sub-00", "ses-X", "ses-Y", quality="low")]
    parts = assign(rows)
    assert parts["sub-00"].split == "test"
    # And 10 % of the other nineteen.
    assert sum(part.split == "test" for part in parts.values()) == 3


def test_too_few_participants() -> None:
    with pytest.raises(SelectionError, match="too few"):
        assign(ROWS[:4], test=0.5, validation=0.5)
    with pytest.raises(SelectionError, match="too few for 5 folds"):
        assign(ROWS[:8], folds=5)
