"""Weights on disk: a safetensors file, and beside it a JSON card that says what it is.

Shipped weights lie in ``clinica_t1nce/weights``. A card names the architecture and its
hyper-parameters, how an image is brought to the network and back, what the network was trained
on, and the SHA-256 of the weights, checked at every load.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import nn

from clinica_t1nce import intensity, writing
from clinica_t1nce.errors import WeightsError
from clinica_t1nce.models import registry, tensors
from clinica_t1nce.models.batch_statistics import use_batch_statistics

DEFAULT_MODEL = "change-unet-v4"
"""The shipped weights that ``default`` stands for."""

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
        and the scaling as :func:`clinica_t1nce.intensity.measure` takes it.
    output
        ``"image"``: the network gives the T1nce; ``"change"``: the enhancement to take away;
        both in scaled units. ``"score"``: it is a discriminator.
    inference
        ``{"mirrors": [[], [0], [0, 2], ...]}``: the axes flipped for each prediction; the
        predictions are averaged. ``"quantile"``: of a network that gives quantiles, which one is
        removed, interpolated between those that it gives; the median by default.
        ``"memory_gb"``: what a process takes for one crop, from which the number of processes
        is planned. ``"guided"``: the change follows the image's edges, see
        :mod:`clinica_t1nce.guiding`. ``"batch_statistics"``: see
        :mod:`clinica_t1nce.models.batch_statistics`.
    calibration
        What turns the network's output into a probability of gadolinium and a confidence:
        ``{"gadolinium": {...}, "confidence": {...}}``, see :mod:`clinica_t1nce.detection` and
        :class:`clinica_t1nce.synthesis.Synthesis`. Empty: neither is known.
    training, metrics
        Data, command and results, for the reader.
    licence
        Of the weights.
    sha256
        Of the safetensors file; filled in by :func:`save_weights`.
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
        """Method and parameters for :func:`clinica_t1nce.intensity.measure`."""
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
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise WeightsError(f"not JSON (line {error.lineno}: {error.msg})") from error
        if not isinstance(content, dict):
            raise WeightsError("not a card: no JSON object")
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


def shipped() -> list[str]:
    """Names of the weights that come with the package.

    Returns
    -------
    list of str
        Sorted; each may be given to :func:`load_weights`.
    """
    folder = _weights_folder()
    return sorted(
        path.stem for path in folder.glob("*.safetensors") if path.with_suffix(".json").exists()
    )


def load_weights(name_or_path: str | Path = "default") -> tuple[nn.Module, Card]:
    """Load a trained network and its card.

    Parameters
    ----------
    name_or_path
        The name of shipped weights, ``"default"``, or the path of a ``.safetensors`` file with
        its card beside it, or of that card.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, float32, on the CPU.
    Card

    Raises
    ------
    WeightsError
        If there are no such weights, the card is missing or cannot be used, the checksum is not
        the card's, or a tensor is missing, superfluous, of another shape or not finite.
    """
    path = _find(name_or_path)
    card = _read_card(path)
    if (digest := file_sha256(path)) != card.sha256:
        raise WeightsError(
            f"{path}: SHA-256 is {digest[:12]}..., its card says {str(card.sha256)[:12]}...; "
            "the file is damaged or belongs to another card: copy both again"
        )
    try:
        found = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: not a safetensors file; save the weights as one") from error
    with torch.random.fork_rng(devices=[]):
        module = _build(card, path)
    _check_tensors(path, card, module, found)
    module.load_state_dict(found, strict=True)
    if card.batch_statistics:
        use_batch_statistics(module)
    return module.eval().requires_grad_(False), card


def load_generator(name_or_path: str | Path = "default") -> tuple[nn.Module, Card]:
    """Load weights as :func:`load_weights`, and refuse those of a discriminator.

    Parameters
    ----------
    name_or_path
        As :func:`load_weights`.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, float32, on the CPU.
    Card

    Raises
    ------
    WeightsError
        As :func:`load_weights`, and if the network makes no image.
    """
    module, card = load_weights(name_or_path)
    if card.output == "score":
        raise WeightsError(
            f"{name_or_path}: {card.name!r} is a discriminator, which makes no image; "
            "give the weights of a generator"
        )
    return module, card


def save_weights(path: str | Path, module: nn.Module, card: Card) -> Card:
    """Write a network's weights and its card, each atomically.

    Parameters
    ----------
    path
        The ``.safetensors`` file; the card is the ``.json`` beside it.
    module
        The network that the card's architecture and hyper-parameters build.
    card
        Its `sha256` is filled in.

    Returns
    -------
    Card
        The card as written.

    Raises
    ------
    WeightsError
        If card and network do not fit: such weights could not be loaded again.
    OutputError
        If the files cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise WeightsError(f"{path}: weights are written to a name ending in .safetensors")
    card.check()
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()
    }
    with torch.device("meta"):
        _check_tensors(path, card, _build(card, path), state)
    content = to_safetensors(state)
    card = replace(card, sha256=hashlib.sha256(content).hexdigest())
    text = card.to_json()
    with writing.temporary(path) as part:
        part.write_bytes(content)
    with writing.temporary(path.with_suffix(".json")) as part:
        part.write_text(text, encoding="utf-8")
    return card


def _weights_folder() -> Path:
    return Path(str(resources.files("clinica_t1nce"))) / "weights"


def _find(name_or_path: str | Path) -> Path:
    name = DEFAULT_MODEL if name_or_path == "default" else str(name_or_path)
    if name in shipped():
        return _weights_folder() / f"{name}.safetensors"
    path = Path(name)
    if path.suffix == ".json":
        path = path.with_suffix(".safetensors")
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise WeightsError(f"{path}: no such file; check the path")
        return path
    if path.exists():
        raise WeightsError(
            f"{path}: not weights that can be read; give a .safetensors file with its .json card"
        )
    known = ", ".join(shipped()) or "none"
    raise WeightsError(
        f"no weights {name!r}; shipped: {known}; else give the path of a .safetensors file"
    )


def _read_card(path: Path) -> Card:
    card_path = path.with_suffix(".json")
    try:
        return Card.from_json(card_path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"{path}: no card {card_path.name} beside it; copy that too") from None
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{card_path}: cannot be read ({error}); copy it again") from error
    except WeightsError as error:
        raise WeightsError(f"{card_path}: {error}") from error


def file_sha256(path: Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    str
        64 digits.

    Raises
    ------
    WeightsError
        If the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read ({error.strerror or error}); check its permissions"
        ) from error
    return digest.hexdigest()


def _build(card: Card, path: Path) -> nn.Module:
    try:
        return registry.build(card.architecture, **card.hyperparameters)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def _check_tensors(
    path: Path, card: Card, module: nn.Module, found: Mapping[str, torch.Tensor]
) -> None:
    expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
    if problems := tensors.faults(expected, found):
        raise WeightsError(
            f"{path}: not weights of {card.architecture!r} as on the card: "
            f"{tensors.in_words(problems)}; use the card that they were saved with"
        )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
