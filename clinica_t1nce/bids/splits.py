"""Which participants are trained on, validated on and tested on."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from clinica_t1nce.bids.pairs import TEST, TRAIN, VALIDATION, PairRow
from clinica_t1nce.errors import SelectionError


class Part(NamedTuple):
    """Where a participant belongs."""

    split: str
    fold: int | None = None


def assign(
    rows: Sequence[PairRow],
    *,
    test: float = 0.1,
    validation: float = 0.0,
    folds: int | None = None,
    seed: int = 0,
) -> dict[str, Part]:
    """Assign participants at random, the same for the same participants and seed.

    Participants with a pair of low quality go to the test, as in the paper (section 4); `test`
    is a fraction of the others.

    Parameters
    ----------
    rows
        Rows of a table; their own splits are ignored.
    test, validation
        Fractions of the participants, 0 to 1; of `test` above 0 at least one.
    folds
        Number of folds for those that are not tested on; None: no folds.
    seed
        Seed of the random generator.

    Returns
    -------
    dict
        Participant to :class:`Part`.

    Raises
    ------
    SelectionError
        If nobody would be left to train on, or there are fewer participants than folds.

    Examples
    --------
    >>> rows = [PairRow(f"sub-{i}", "ses-1", "ses-2") for i in range(256)]
    >>> sum(part.split == "test" for part in assign(rows).values())
    26
    """
    low = {row.subject for row in rows if row.quality == "low"}
    others = sorted({row.subject for row in rows} - low)
    order = [others[i] for i in np.random.default_rng(seed).permutation(len(others))]
    n_test, n_validation = (_share_of(share, len(order)) for share in (test, validation))
    kept = order[n_test:]
    if len(kept) <= n_validation:
        raise SelectionError(
            f"{len(order)} participants (without those of low quality) are too few to test on "
            f"{n_test} and validate on {n_validation}; take smaller fractions"
        )
    if folds is not None and len(kept) < folds:
        raise SelectionError(f"{len(kept)} participants are too few for {folds} folds")
    parts = {subject: Part(TEST) for subject in sorted([*low, *order[:n_test]])}
    for place, subject in enumerate(kept):
        split = VALIDATION if place < n_validation else TRAIN
        parts[subject] = Part(split, None if folds is None else place % folds)
    return parts


def _share_of(share: float, size: int) -> int:
    return max(round(share * size), 1) if share > 0 else 0
