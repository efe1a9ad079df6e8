"""Pairs by number, so that a training can be entered anywhere and shared out to many processes."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from clinica_t1nce.errors import TrainingError

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


def shuffled(number: int, size: int, seed: int, stream: int) -> int:
    """Say which of `size` items has a number: all, in a new order, before any comes again."""
    epoch, place = divmod(number, size)
    return int(np.random.default_rng([seed, stream, epoch]).permutation(size)[place])


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


class Mixture:
    """Draw from several sources in turn, so many pairs of each in every round.

    A batch as long as a round, or a multiple of it, holds the sources in the same parts each time.

    Parameters
    ----------
    sources
        Sources of pairs, by name.
    parts
        Pairs of each source in a round, by the same names; 1 or more.

    Raises
    ------
    TrainingError
        If there is no source, or a part is missing or less than 1.

    Examples
    --------
    >>> class Letters:
    ...     epoch = None
    ...     def __init__(self, letter): self.letter = letter
    ...     def pair(self, number):
    ...         return {"t1ce": torch.zeros(1, 1, 1, 1), "is": self.letter, "n": number}
    >>> mixed = Mixture({"a": Letters("a"), "b": Letters("b")}, {"a": 2, "b": 1})
    >>> [(pair["is"], pair["n"]) for pair in map(mixed.pair, range(6))]
    [('a', 0), ('b', 0), ('a', 1), ('a', 2), ('b', 1), ('a', 3)]
    """

    epoch = None

    def __init__(self, sources: Mapping[str, Source], parts: Mapping[str, int]):
        if not sources or any(parts.get(name, 0) < 1 for name in sources):
            raise TrainingError(
                "the parts of a mixture: one number of 1 or more for each of "
                f"{', '.join(sources) or 'its sources'}"
            )
        self.sources = dict(sources)
        self.parts = {name: parts[name] for name in sources}
        self._round = _interleaved(self.parts)

    def pair(self, number: int) -> Batch:
        """Make pair `number` of the mixture."""
        turn, place = divmod(number, len(self._round))
        name = self._round[place]
        earlier = self._round[:place].count(name)
        pair = self.sources[name].pair(turn * self.parts[name] + earlier)
        shape = pair["t1ce"].shape
        # What a source does not say, so that its pairs go into batches with those of others.
        return {
            "intracranial": torch.ones(shape, dtype=torch.bool),
            "noisy": torch.tensor(False),
            "blur": torch.zeros(3),
            **pair,
        }


def _interleaved(parts: Mapping[str, int]) -> Sequence[str]:
    """Spread the names over a round, each as evenly as can be."""
    places = [
        ((n + 0.5) / part, order, name)
        for order, (name, part) in enumerate(parts.items())
        for n in range(part)
    ]
    return [name for _, _, name in sorted(places)]
