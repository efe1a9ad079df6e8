"""The card of weights: what they are, and how to use them.

A card names the architecture and its hyper-parameters, how an image is brought to the network and
back, what the network was trained on, and the SHA-256 of the weights.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from clinica_t1nce.errors import WeightsError
from clinica_t1nce.files.text import parse_json
from clinica_t1nce.models import registry
from clinica_t1nce.volumes import intensity

FORMAT_VERSION = 1
OUTPUTS = ("image", "change", "score")


@dataclass(frozen=True)
class Card:
    """What a file of weights is, and how to use it.

    Attributes
    ----------
    name
        Letters, digits, ``.``, ``_`` and ``-``: it names folders of a CAPS.
    architecture, hyperparameters
        What :func:`clinica_t1nce.models.registry.build` takes.
    input
        ``{"grid": [d, h, w] or None, "multiple": k, "scaling": {"method": ..., ...}}``: the
        network's grid, or, without one, the number that each side is padded to a multiple of;
        and the scaling as :func:`clinica_t1nce.volumes.intensity.measure` takes it.
    output
        ``"image"``: the network gives the T1nce; ``"change"``: the enhancement to take away;
        both in scaled units. ``"score"``: it is a discriminator.
    inference
        ``{"mirrors": [[], [0], [0, 2], ...]}``: the axes flipped for each prediction; the
        predictions are averaged. ``"quantile"``: of a network that gives quantiles, which one is
        removed, interpolated between those that it gives; the median by default.
        ``"memory_gb"``: what a process takes for one crop, from which the number of processes
        is planned. ``"guided"``: the change follows the image's edges, see
        :mod:`clinica_t1nce.synthesis.guided_filter`. ``"batch_statistics"``: see
        :mod:`clinica_t1nce.models.batch_statistics`.
    calibration
        What turns the network's output into a probability of gadolinium and a confidence:
        ``{"gadolinium": {...}, "confidence": {...}}``, see :mod:`clinica_t1nce.synthesis.detector`
        and :class:`clinica_t1nce.synthesis.Synthesis`. Empty: neither is known.
    training, metrics
        Data, command and results, for the reader.
    licence
        Of the weights.
    sha256
        Of the safetensors file; filled in by :func:`clinica_t1nce.models.storage.save_weights`.
    format_version
        Of the card.
    """

    name: str
    architecture: str
    hyperparameters: Mapping[str, Any]
    input: Mapping[str, Any]
    output: str
    inference: Mapping[str, Any] = field(default_factory=lambda: {"mirrors": [[]]})
    calibration: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    sha256: str = ""
    format_version: int = FORMAT_VERSION

    @property
    def grid(self) -> tuple[int, int, int] | None:
        """Shape that the network works on, or None for the image's own."""
        grid = self.input.get("grid")
        return None if grid is None else (grid[0], grid[1], grid[2])

    @property
    def multiple(self) -> int:
        """What each side must be a multiple of where there is no grid."""
        return int(self.input.get("multiple", 1))

    @property
    def scaling(self) -> Mapping[str, Any]:
        """Method and parameters for :func:`clinica_t1nce.volumes.intensity.measure`."""
        scaling: Mapping[str, Any] = self.input["scaling"]
        return scaling

    @property
    def mirrors(self) -> tuple[tuple[int, ...], ...]:
        """Axes to flip, one entry a prediction."""
        return tuple(tuple(axes) for axes in self.inference.get("mirrors", [[]]))

    @property
    def batch_statistics(self) -> bool:
        """Whether batch norm takes the statistics of each image."""
        return bool(self.inference.get("batch_statistics", False))

    @property
    def guided(self) -> bool:
        """Whether the change is made to follow the image's edges."""
        return bool(self.inference.get("guided", False))

    @property
    def quantile(self) -> float:
        """Which quantile of the enhancement is removed, in (0, 1)."""
        return float(self.inference.get("quantile", 0.5))

    def to_json(self) -> str:
        """Write the card as JSON text, keys in the order of the attributes.

        Returns
        -------
        str
            Indented, with a line feed at its end.
        """
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Card":
        """Read a card and check it.

        Parameters
        ----------
        text
            JSON, as :meth:`to_json` writes it.

        Returns
        -------
        Card

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
        known = {item.name for item in fields(cls)}
        needed = ("name", "architecture", "hyperparameters", "input", "output", "sha256")
        if missing := [name for name in needed if name not in content]:
            raise WeightsError(f"fields missing: {', '.join(missing)}")
        if unknown := sorted(content.keys() - known):
            raise WeightsError(f"fields unknown: {', '.join(unknown)}")
        card = cls(**content)
        card.check()
        return card

    def check(self) -> None:
        """Refuse values that could not be used.

        Raises
        ------
        WeightsError
            Naming the first such field.
        """
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", self.name):
            raise WeightsError(f"name {self.name!r} is not made of letters, digits, '.', '_', '-'")
        if self.architecture not in registry.ARCHITECTURES:
            known = ", ".join(sorted(registry.ARCHITECTURES))
            raise WeightsError(f"architecture {self.architecture!r} unknown; known: {known}")
        for name in ("hyperparameters", "input", "inference", "calibration", "training", "metrics"):
            if not isinstance(getattr(self, name), Mapping):
                raise WeightsError(f"{name} is not an object")
        if self.output not in OUTPUTS:
            raise WeightsError(f"output {self.output!r} unknown; known: {', '.join(OUTPUTS)}")
        self._check_input()
        self._check_mirrors()
        for name in ("batch_statistics", "guided"):
            if not isinstance(flag := self.inference.get(name, False), bool):
                raise WeightsError(f"inference.{name} {flag!r} is neither true nor false")
        quantile = self.inference.get("quantile", 0.5)
        if not isinstance(quantile, float) or not 0 < quantile < 1:
            raise WeightsError(f"inference.quantile {quantile!r} is not between 0 and 1")

    def _check_input(self) -> None:
        grid = self.input.get("grid")
        if grid is not None and not (
            isinstance(grid, list | tuple) and len(grid) == 3 and all(map(_is_count, grid))
        ):
            raise WeightsError(f"input.grid {grid!r} is neither null nor three numbers of voxels")
        if not _is_count(self.input.get("multiple", 1)):
            raise WeightsError(f"input.multiple {self.input['multiple']!r} is not a whole number")
        try:
            intensity.check_method(dict(self.input.get("scaling") or {}))
        except (TypeError, ValueError) as error:
            raise WeightsError(f"input.scaling: {error}") from error

    def _check_mirrors(self) -> None:
        mirrors = self.inference.get("mirrors", [[]])
        try:
            usable = len(mirrors) > 0 and all(
                len(set(axes)) == len(axes) and set(axes) <= {0, 1, 2} for axes in mirrors
            )
        except TypeError:
            usable = False
        if not usable:
            raise WeightsError(f"inference.mirrors {mirrors!r} is not a list of lists of axes 0-2")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
