"""Ranges that numbers are drawn from, declared beside each number.

A class of numbers is a frozen dataclass; its fields say what they are drawn from. ``sample`` draws
them all, and ``Class.ranges(name=(low, high))`` draws some of them from other ranges.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np


class Range(Protocol):
    """What one field is drawn from."""

    def draw(self, rng: np.random.Generator, contrast: Any) -> Any:
        """Draw the field's value, in an image of this contrast; None: in no image yet."""


class Compound:
    """Base of ranges of values that a few plain numbers cannot stand for."""


@dataclass(frozen=True)
class Span:
    """What lies between `low` and `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse a range that ends before it begins."""
        if not self.low <= self.high:
            raise ValueError(f"a range from {self.low} to {self.high}: give the lower end first")


class Uniform(Span):
    """Numbers from `low` to `high`, all equally likely."""

    def draw(self, rng: np.random.Generator, contrast: Any) -> float:
        """Draw a number."""
        return rng.uniform(self.low, self.high)


@dataclass(frozen=True)
class Integers:
    """Integers from `low` to below `high`."""

    low: int
    high: int

    def draw(self, rng: np.random.Generator, contrast: Any) -> int:
        """Draw an integer."""
        return int(rng.integers(self.low, self.high))


@dataclass(frozen=True)
class Each:
    """A tuple of values, one from each of the ranges."""

    ranges: tuple[Range, ...]

    def draw(self, rng: np.random.Generator, contrast: Any) -> tuple:
        """Draw the tuple."""
        return tuple(range_.draw(rng, contrast) for range_ in self.ranges)


@dataclass(frozen=True)
class Sometimes:
    """One range with some probability, else another range or a fixed value."""

    probability: float
    range: Any
    otherwise: Any = None

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        check_fraction("probability", self.probability)
        object.__setattr__(self, "range", range_of(self.range))

    def draw(self, rng: np.random.Generator, contrast: Any) -> Any:
        """Draw from one of the two."""
        if rng.random() < self.probability:
            return self.range.draw(rng, contrast)
        other = self.otherwise
        return other.draw(rng, contrast) if hasattr(other, "draw") else other


@dataclass(frozen=True)
class By:
    """Values by a function of random generator and contrast."""

    function: Callable[[np.random.Generator, Any], Any]

    def draw(self, rng: np.random.Generator, contrast: Any) -> Any:
        """Call the function."""
        return self.function(rng, contrast)


def range_of(given: Any) -> Range:
    """Make a range of plain numbers: ``(low, high)``, or a tuple of such pairs, of ranges too."""
    if hasattr(given, "draw"):
        return given
    if isinstance(given[0], int | float):
        return Uniform(*given)
    return Each(tuple(range_of(part) for part in given))


def drawn(*ranges: Any) -> Any:
    """Declare a field of a :class:`Drawn` and its range; several make a tuple of values."""
    return field(metadata={"range": range_of(ranges if len(ranges) > 1 else ranges[0])})


def between(low: float, high: float) -> Any:
    """Declare a number from `low` to `high`."""
    return drawn((low, high))


def any_seed() -> Any:
    """Declare the seed of random fields."""
    return drawn(Integers(0, 2**31))


def check_fraction(name: str, value: float) -> None:
    """Raise ValueError unless `value` lies between 0 and 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} {value}: give a number from 0 to 1")


class Drawn:
    """Numbers that are drawn from ranges: base of effects and of an injection."""

    probability: ClassVar[float] = 1.0
    """Fraction of images that have them at all."""

    @classmethod
    def ranges(cls, probability: float | None = None, **given: Any) -> "Ranges":
        """Return the ranges of the class, some of them replaced.

        Parameters
        ----------
        probability
            Fraction of images that have it; None: the class's own.
        **given
            New ranges by the names of fields: a :class:`Range`; the pair ``(low, high)`` where a
            number or an uptake is drawn; a tuple of pairs where several numbers are; the
            probability where a value is only drawn in some images.

        Raises
        ------
        ValueError
            If there is no such field, or its range cannot be understood.
        """
        return Ranges(cls, cls.probability if probability is None else probability, given)

    @classmethod
    def sample(cls, rng: np.random.Generator, contrast: Any = None) -> Any:
        """Draw from the class's own ranges; None where this image has none."""
        return cls.ranges().sample(rng, contrast)

    @classmethod
    def shows(cls, rng: np.random.Generator, probability: float) -> bool:
        """Draw whether this image has them."""
        return probability == 1 or rng.random() >= 1 - probability

    @classmethod
    def draw(cls, ranges: Mapping[str, Any], rng: np.random.Generator, contrast: Any) -> Any:
        """Draw each field from its range, in order."""
        return cls(**{name: range_.draw(rng, contrast) for name, range_ in ranges.items()})


Kind = TypeVar("Kind", bound=Drawn)


@dataclass(frozen=True)
class Ranges(Generic[Kind]):
    """What one class is drawn from; made by :meth:`Drawn.ranges`.

    Attributes
    ----------
    kind
        Class that is drawn.
    probability
        Fraction of images that have it.
    given
        Ranges, by name of field, that replace the class's own.
    """

    kind: type[Kind]
    probability: float
    given: Mapping[str, Any]
    _ranges: dict[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check all that was given."""
        kind: Any = self.kind
        name = kind.__name__
        check_fraction(f"{name}: probability", self.probability)
        own = {f.name: f.metadata["range"] for f in fields(kind) if "range" in f.metadata}
        unknown = sorted(set(self.given) - set(own))
        if unknown:
            raise ValueError(f"{name} has no range {', '.join(unknown)}; it has {', '.join(own)}")
        replaced = {key: _like(own[key], v, f"{name}: {key}") for key, v in self.given.items()}
        object.__setattr__(self, "_ranges", own | replaced)

    def __reduce__(self) -> tuple:
        """Send what was given to another process; the class's own ranges may hold lambdas."""
        return Ranges, (self.kind, self.probability, self.given)

    def sample(self, rng: np.random.Generator, contrast: Any = None) -> Kind | None:
        """Draw; None where this image has none."""
        return self.draw(rng, contrast) if self.kind.shows(rng, self.probability) else None

    def draw(self, rng: np.random.Generator, contrast: Any = None) -> Kind:
        """Draw, whatever the probability."""
        return self.kind.draw(self._ranges, rng, contrast)


def _like(own: Any, given: Any, name: str) -> Any:
    """Make a range of what a user gave in place of `own`."""
    try:
        if isinstance(own, Sometimes):
            if not isinstance(given, Sometimes):
                return replace(own, probability=float(given))
            range_, other = _like(own.range, given.range, name), given.otherwise
            if hasattr(own.otherwise, "draw") and given.probability < 1:
                other = _like(own.otherwise, other, name)
            return Sometimes(given.probability, range_, other)
        if isinstance(own, Span) and type(given) is Uniform:
            given = given.low, given.high
        if isinstance(own, Compound) and not isinstance(given, type(own)):
            raise TypeError(f"give {type(own).__name__}")
        if hasattr(given, "draw"):
            return given
        if isinstance(own, Each):
            parts = zip(own.ranges, given, strict=True)
            return Each(tuple(_like(part, value, name) for part, value in parts))
        if isinstance(own, Span):
            low, high = given
            return replace(own, low=low, high=high)
        return range_of(given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} {given!r} is no range like {own} ({error})") from error
