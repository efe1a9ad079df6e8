"""Simulated pairs as an endless stream that can be entered anywhere."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from clinica_t1nce.simulation.anatomy import Anatomy
from clinica_t1nce.simulation.simulator import Pair, simulate

Batch = dict[str, torch.Tensor]


def as_tensors(pair: Pair) -> Batch:
    """Return a pair as the tensors that a training step takes."""
    return {"t1ce": pair.t1ce, "enhancement": pair.enhancement, "mask": pair.mask}


class SimulatedStream(IterableDataset):
    """Endless pairs; pair number i is the same in every run of the same seed.

    Parameters
    ----------
    heads
        To draw from.
    shape
        D, H, W of the patches.
    seed
        Of the stream.
    start
        Number of the first pair: what a resumed training has seen already is not seen again.
    """

    def __init__(self, heads: Sequence[Anatomy], shape: Sequence[int], seed: int, start: int = 0):
        self.heads = heads
        self.shape = tuple(shape)
        self.seed = seed
        self.start = start

    def __iter__(self) -> Iterator[Batch]:
        """Make pairs, from the first on or each worker its share."""
        # DataLoader collects batches from its workers in turn; with one sample a batch or one
        # worker, worker w of n therefore has to make pairs w, w + n, w + 2n ...
        worker = get_worker_info()
        number, step = self.start, 1
        if worker is not None:
            number, step = self.start + worker.id, worker.num_workers
            torch.set_num_threads(1)
        while True:
            yield as_tensors(simulate(self.heads, _seed_of(self.seed, number), self.shape))
            number += step


class SimulatedSet(Dataset):
    """A fixed number of pairs, made once: to validate on."""

    def __init__(self, heads: Sequence[Anatomy], shape: Sequence[int], seed: int, size: int):
        self.pairs = [as_tensors(simulate(heads, _seed_of(seed, i), shape)) for i in range(size)]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> Batch:
        """Return one pair."""
        return self.pairs[index]


def _seed_of(stream: int, number: int) -> int:
    # Far enough apart that streams of neighbouring seeds do not meet.
    return stream * 1_000_000_007 + number
