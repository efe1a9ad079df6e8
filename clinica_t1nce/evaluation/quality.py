"""The quality of images, by the paper's rule, and the sets of pairs that are reported apart."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

GOOD, MEDIUM, LOW = QUALITIES = ("good", "medium", "low")

ALL, TEST_GOOD, TEST_LOW = "all", "test_good", "test_low"
"""Sets of pairs: every one; the paper's Test_good, whose T1ce is of good or medium quality; its
Test_low, whose T1ce is of low quality."""


def quality_of(contrast: int, motion: int, noise: int) -> str:
    """Make one label of three grades, 0, 1 or 2 (the paper's section 2); ValueError for others.

    ``"low"`` with any grade 2 (bad contrast; severe motion or noise), else ``"medium"`` with any 1,
    else ``"good"``.

    Examples
    --------
    >>> quality_of(0, 0, 0), quality_of(0, 1, 0), quality_of(1, 0, 2)
    ('good', 'medium', 'low')
    """
    grades = (contrast, motion, noise)
    if not set(grades) <= {0, 1, 2}:
        raise ValueError(f"grades {grades}: each is 0, 1 or 2")
    return QUALITIES[max(grades)]


def strata(qualities: Sequence[str | None]) -> dict[str, np.ndarray]:
    """Divide pairs, by the quality of their T1ce, into the sets that are reported apart.

    Gives a boolean for each pair by the name of the set; :data:`ALL` first. Sets without a pair are
    left out; pairs of unknown quality are in :data:`ALL` only.
    """
    known = np.array([quality or "" for quality in qualities], dtype=object)
    low = known == LOW
    found = {
        ALL: np.ones(len(known), bool),
        TEST_GOOD: (known == GOOD) | (known == MEDIUM),
        TEST_LOW: low,
    }
    return {name: members for name, members in found.items() if members.any()}


def by_set(frame: "pd.DataFrame") -> "dict[str, pd.DataFrame]":
    """Divide a table that has a column ``quality`` into the sets of :func:`strata`."""
    qualities = [quality if isinstance(quality, str) else None for quality in frame["quality"]]
    return {name: frame[members] for name, members in strata(qualities).items()}
