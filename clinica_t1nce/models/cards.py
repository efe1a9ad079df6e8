"""The card of weights: what they are, and how to use them.

A card names the architecture and its hyper-parameters, how an image is brought to the network and
back, what the network was trained on, and the SHA-256 of the weights. It is closed: a field that
is not described here is refused by its name, since one that is misspelt would be ignored.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from clinica_t1nce.errors import WeightsError
from clinica_t1nce.files.text import parse_json
from clinica_t1nce.models import registry
from clinica_t1nce.volumes import intensity

FORMAT_VERSION = 1
OUTPUTS = ("image", "change", "score")

_CALIBRATION = ("gadolinium", "confidence", "held_out", "command")

_Part = TypeVar("_Part", "Input", "Inference")


@dataclass(frozen=True)
class Input:
    """How an image is brought to a network.

    Attributes
    ----------
    scaling
        Method and parameters for :func:`clinica_t1nce.volumes.intensity.measure`.
    grid
        Shape that the network works on; None: the image's own.
    multiple
        Number that each side is padded to a multiple of where there is no grid.
    """

    scaling: Mapping[str, Any] = field(default_factory=dict)
    grid: tuple[int, int, int] | None = None
    multiple: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return what stands on a card; a multiple of 1 is left out."""
        grid = None if self.grid is None else list(self.grid)
        multiple = {} if self.multiple == 1 else {"multiple": self.multiple}
        return {"grid": grid, **multiple, "scaling": dict(self.scaling)}

    def check(self) -> None:
        """Raise WeightsError for the first field whose value cannot be used."""
        grid = self.grid
        if grid is not None and not (
            isinstance(grid, list | tuple) and len(grid) == 3 and all(map(_is_count, grid))
        ):
            raise WeightsError(f"input.grid {grid!r} is neither null nor three numbers of voxels")
        if not _is_count(self.multiple):
            raise WeightsError(f"input.multiple {self.multiple!r} is not a whole number")
        try:
            intensity.check_method(dict(self.scaling))
        except (TypeError, ValueError) as error:
            raise WeightsError(f"input.scaling: {error}") from error


@dataclass(frozen=True)
class Inference:
    """How a network is run.

    Attributes
    ----------
    mirrors
        Axes flipped for each prediction; the predictions are averaged.
    memory_gb
        Memory that a process takes for one crop, from which the number of processes is planned;
        None: not known.
    guided
        Whether the change follows the edges of the image
        (:mod:`clinica_t1nce.synthesis.decode`).
    batch_statistics
        Whether batch norm takes the statistics of each image
        (:class:`clinica_t1nce.models.layers.BatchStatisticsNorm`).
    quantile
        Quantile of the enhancement that is removed, in (0, 1), interpolated between those that
        the network gives.
    fade
        Changes, in scaled units, up to which nothing is removed and from which on all is
        (:func:`clinica_t1nce.synthesis.decode.fade_small`).
    """

    mirrors: tuple[tuple[int, ...], ...] = ((),)
    memory_gb: float | None = None
    guided: bool = False
    batch_statistics: bool = False
    quantile: float = 0.5
    fade: tuple[float, float] = (0.0, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return what stands on a card: the mirrors, and what is not the default."""
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        defaults = {item.name: item.default for item in fields(self)}
        del content["mirrors"]
        changed = {name: value for name, value in content.items() if value != defaults[name]}
        return {"mirrors": [list(axes) for axes in self.mirrors], **changed}

    def check(self) -> None:
        """Raise WeightsError for the first field whose value cannot be used."""
        mirrors = self.mirrors
        try:
            usable = len(mirrors) > 0 and all(
                len(set(axes)) == len(axes) and set(axes) <= {0, 1, 2} for axes in mirrors
            )
        except TypeError:
            usable = False
        if not usable:
            raise WeightsError(f"inference.mirrors {mirrors!r} is not a list of lists of axes 0-2")
        memory = self.memory_gb
        if memory is not None and not (_is_number(memory) and memory > 0):
            raise WeightsError(f"inference.memory_gb {memory!r} is not a number above 0")
        for name in ("batch_statistics", "guided"):
            if not isinstance(flag := getattr(self, name), bool):
                raise WeightsError(f"inference.{name} {flag!r} is neither true nor false")
        if not isinstance(self.quantile, float) or not 0 < self.quantile < 1:
            raise WeightsError(f"inference.quantile {self.quantile!r} is not between 0 and 1")
        fade = self.fade
        if not (_is_pair(fade) and 0 <= fade[0] <= fade[1]):
            raise WeightsError(f"inference.fade {fade!r} is not two rising numbers from 0 on")


@dataclass(frozen=True)
class Card:
    """What a file of weights is, and how to use it.

    Attributes
    ----------
    name
        Name of the weights, of letters, digits, ``.``, ``_`` and ``-``: it names folders of a CAPS.
    architecture, hyperparameters
        Arguments of :func:`clinica_t1nce.models.registry.build`.
    input
        Grid and scaling of what the network is shown; a mapping with the fields of
        :class:`Input`, as it stands in JSON, is taken as well.
    output
        Meaning of what the network gives: ``"image"``, the T1nce; ``"change"``, the enhancement
        to take away; both in scaled units. ``"score"``: it is a discriminator.
    inference
        Views and options; a mapping with the fields of :class:`Inference` is taken as well.
    calibration
        Numbers that turn the network's output into a probability of gadolinium and a confidence:
        ``{"gadolinium": {...}, "confidence": {...}}``, see :mod:`clinica_t1nce.synthesis.detector`
        and :class:`clinica_t1nce.synthesis.Synthesis`; ``"held_out"`` and ``"command"`` say how
        it was found. Empty: neither is known.
    training, metrics
        Data, command and results, for the reader; these two are open.
    licence
        Licence of the weights.
    sha256
        Checksum of the safetensors file; filled in by
        :func:`clinica_t1nce.models.storage.save_weights`.
    format_version
        Version of the card's own format.

    Raises
    ------
    WeightsError
        If `input` or `inference` is no such mapping.
    """

    name: str
    architecture: str
    hyperparameters: Mapping[str, Any]
    input: Input
    output: str
    inference: Inference = field(default_factory=Inference)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    sha256: str = ""
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Take mappings, as presets and JSON have them, for what they stand for."""
        object.__setattr__(self, "input", _part(Input, "input", self.input))
        object.__setattr__(self, "inference", _part(Inference, "inference", self.inference))

    @property
    def grid(self) -> tuple[int, int, int] | None:
        """Shape that the network works on, or None for the image's own."""
        return self.input.grid

    @property
    def scaling(self) -> Mapping[str, Any]:
        """Method and parameters for :func:`clinica_t1nce.volumes.intensity.measure`."""
        return self.input.scaling

    def to_json(self) -> str:
        """Return the card as indented JSON, keys in the order of the attributes."""
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        content["input"], content["inference"] = self.input.to_dict(), self.inference.to_dict()
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Card":
        """Read a card from JSON, as :meth:`to_json` writes it, and check it.

        Raises
        ------
        WeightsError
            If it is not JSON, or a field is missing, unknown or has a value that cannot be used.
        """
        try:
            content = parse_json(text)
        except ValueError as error:
            raise WeightsError(f"not a card: {error}") from error
        version = content.get("format_version", FORMAT_VERSION)
        if version != FORMAT_VERSION:
            raise WeightsError(
                f"format_version {version!r}, this clinica-t1nce reads {FORMAT_VERSION}; update it"
            )
        known = [item.name for item in fields(cls)]
        needed = ("name", "architecture", "hyperparameters", "input", "output", "sha256")
        if missing := [name for name in needed if name not in content]:
            raise WeightsError(f"fields missing: {', '.join(missing)}")
        _refuse_unknown(content, known)
        card = cls(**content)
        card.check()
        return card

    def check(self) -> None:
        """Raise WeightsError for the first field whose value cannot be used."""
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", self.name):
            raise WeightsError(f"name {self.name!r} is not made of letters, digits, '.', '_', '-'")
        if self.architecture not in registry.ARCHITECTURES:
            known = ", ".join(sorted(registry.ARCHITECTURES))
            raise WeightsError(f"architecture {self.architecture!r} unknown; known: {known}")
        for name in ("hyperparameters", "calibration", "training", "metrics"):
            if not isinstance(getattr(self, name), Mapping):
                raise WeightsError(f"{name} is not an object")
        for name in ("licence", "sha256"):
            if not isinstance(text := getattr(self, name), str):
                raise WeightsError(f"{name} {text!r} is not a text")
        if self.output not in OUTPUTS:
            raise WeightsError(f"output {self.output!r} unknown; known: {', '.join(OUTPUTS)}")
        self.input.check()
        self.inference.check()
        _refuse_unknown(self.calibration, _CALIBRATION, "calibration.")


def _part(kind: type[_Part], name: str, content: Any) -> _Part:
    """Take a nested object of a card; lists of JSON become tuples."""
    if isinstance(content, kind):
        return content
    if not isinstance(content, Mapping):
        raise WeightsError(f"{name} is not an object")
    _refuse_unknown(content, [item.name for item in fields(kind)], f"{name}.")
    return kind(**{key: _frozen(value) for key, value in content.items()})


def _refuse_unknown(content: Mapping[str, Any], known: Sequence[str], prefix: str = "") -> None:
    if unknown := sorted(f"{prefix}{key}" for key in content.keys() - set(known)):
        raise WeightsError(f"fields unknown: {', '.join(unknown)}")


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
