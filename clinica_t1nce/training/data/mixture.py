"""Pairs of several sources in one training."""

from collections.abc import Mapping, Sequence

import torch

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.training.data.numbered import Batch, Source


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
