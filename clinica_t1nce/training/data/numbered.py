"""Pairs by number, so that a training can be entered anywhere and shared out to many processes."""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

Batch = dict[str, torch.Tensor]
"""``t1ce``, ``t1nce`` and ``mask`` (where the loss looks), each N x 1 x D x H x W; without N, a
pair. Where it is known, ``intracranial``: the inside of the skull. Of unpaired images, ``t1ce`` and
``t1nce`` are of two people."""

_PREFETCH = 4
_SPREAD = 1_000_000_007


class Source(Protocol):
    """Where pairs come from: pair number i is the same in every run of the same seed."""

    @property
    def epoch(self) -> int | None:
        """Number of pairs until all were seen; None: without end."""

    def pair(self, number: int) -> Batch:
        """Make one pair, from number 0 on."""


def seed_of(stream: int, number: int) -> int:
    """Give each pair of a stream a seed; streams of neighbouring seeds do not meet."""
    return stream * _SPREAD + number


class Numbered(Dataset):
    """The pairs of a source as a PyTorch data set, which is without end."""

    def __init__(self, source: Source):
        self.source = source

    def __getitem__(self, number: int) -> Batch:
        """Make one pair."""
        return self.source.pair(number)


class Share(Sampler[int]):
    """The numbers that one of several processes trains on, without end.

    Step by step, the processes' batches together are what a single process with a batch so many
    times as large would be given.

    Parameters
    ----------
    batch
        Number of pairs of each step and process.
    start
        Number of the first pair: what a resumed training has seen is not seen again.
    rank, processes
        Number of this process, and of all of them.

    Examples
    --------
    >>> from itertools import islice
    >>> list(islice(Share(2, start=8, rank=1, processes=2), 4))
    [10, 11, 14, 15]
    """

    def __init__(self, batch: int, start: int = 0, rank: int = 0, processes: int = 1):
        self.batch = batch
        self.start = start
        self.rank = rank
        self.processes = processes

    def __iter__(self) -> Iterator[int]:
        """Count."""
        for step in count():
            first = self.start + (step * self.processes + self.rank) * self.batch
            yield from range(first, first + self.batch)


def loader(source: Source, share: Share, workers: int, *, pin: bool = False) -> DataLoader:
    """Load a process's share of the pairs.

    Parameters
    ----------
    source
        Source of the pairs.
    share
        Numbers of the pairs.
    workers
        Number of processes that make pairs while the network trains; the batches do not depend
        on it.
    pin
        Whether pairs are made ready for a GPU.
    """
    options: dict[str, Any] = {"prefetch_factor": _PREFETCH} if workers else {}
    return DataLoader(
        Numbered(source),
        batch_size=share.batch,
        sampler=share,
        num_workers=workers,
        pin_memory=pin,
        **options,
    )


class Fixed:
    """The first `size` pairs of a source, made once and kept in memory: to validate on."""

    def __init__(self, source: Source, size: int):
        self.pairs: Sequence[Batch] = [source.pair(number) for number in range(size)]

    @property
    def epoch(self) -> int:
        """Number of pairs."""
        return len(self.pairs)

    def pair(self, number: int) -> Batch:
        """Return one pair."""
        return self.pairs[number]


class Apart:
    """Pairs torn apart: the T1ce of one and the T1nce of the next, to train unpaired."""

    def __init__(self, source: Source):
        self.source = source

    @property
    def epoch(self) -> int | None:
        """Number of pairs of the source; None: without end."""
        return self.source.epoch

    def pair(self, number: int) -> Batch:
        """Take the two images from two pairs."""
        return {**self.source.pair(2 * number), "t1nce": self.source.pair(2 * number + 1)["t1nce"]}
