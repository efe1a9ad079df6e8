"""Weights on disk: a safetensors file, and beside it a JSON card that says what it is.

Shipped weights lie in ``clinica_t1nce/weights``. The SHA-256 on the card is checked at every load.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import nn
from torch.overrides import TorchFunctionMode

from clinica_t1nce.errors import WeightsError, some
from clinica_t1nce.files import atomic
from clinica_t1nce.models import registry
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.layers import use_batch_statistics

DEFAULT_MODEL = "change-unet-v7"
"""The shipped weights that ``default`` stands for."""

FAST_MODEL = "change-unet-fast-v1"
"""The shipped weights that ``fast`` stands for: they imitate the default ones."""

SHORT_NAMES = {"default": DEFAULT_MODEL, "fast": FAST_MODEL}
"""What the words stand for."""

WEIGHTS = Path(str(resources.files("clinica_t1nce"))) / "weights"
"""Folder of the shipped weights."""


def shipped() -> list[str]:
    """List the weights that come with the package, by names that :func:`load_weights` takes."""
    return sorted(
        path.stem for path in WEIGHTS.glob("*.safetensors") if path.with_suffix(".json").exists()
    )


def load_weights(name_or_path: str | Path = "default") -> tuple[nn.Module, Card]:
    """Load a trained network and its card.

    Parameters
    ----------
    name_or_path
        Name of shipped weights, ``"default"``, ``"fast"``, or the path of a ``.safetensors`` file
        with its card beside it, or of that card.

    Returns
    -------
    torch.nn.Module
        Network in evaluation mode, float32, on the CPU.
    Card
        Card of the weights.

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
    # Without memory at first: a card may ask for a network of any size.
    with torch.device("meta"), _Undrawn():
        module = _build(card, path)
    _check_tensors(path, card, module, found)
    # Copied: what was read is a view of the file, which may be cut short.
    kinds = {name: tensor.dtype for name, tensor in module.state_dict().items()}
    read = {name: tensor.to(kinds[name], copy=True) for name, tensor in found.items()}
    module.load_state_dict(read, strict=True, assign=True)
    if card.inference.batch_statistics:
        use_batch_statistics(module)
    return module.eval().requires_grad_(False), card


def load_generator(name_or_path: str | Path = "default") -> tuple[nn.Module, Card]:
    """Load weights as :func:`load_weights`; WeightsError for those of a discriminator as well."""
    module, card = load_weights(name_or_path)
    if card.output == "score":
        raise WeightsError(
            f"{name_or_path}: {card.name!r} is a discriminator, which makes no image; "
            "give the weights of a generator"
        )
    return module, card


def find_name(name_or_path: str) -> str:
    """Give the name on the card of weights, by which their images go.

    Parameters
    ----------
    name_or_path
        As :func:`load_weights` takes it, or the name of other weights.

    Raises
    ------
    WeightsError
        If it is a file that cannot be read.
    """
    if name_or_path.endswith((".safetensors", ".json")):
        return load_generator(name_or_path)[1].name
    return SHORT_NAMES.get(name_or_path, name_or_path)


def save_weights(path: str | Path, module: nn.Module, card: Card) -> Card:
    """Write a network's weights and its card, each atomically.

    Parameters
    ----------
    path
        Path of the ``.safetensors`` file; the card is the ``.json`` beside it.
    module
        Network that the card's architecture and hyper-parameters build.
    card
        Card of the weights.

    Returns
    -------
    Card
        Card as written: with its `sha256`.

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
    with atomic.temporary(path) as part:
        part.write_bytes(content)
    with atomic.temporary(path.with_suffix(".json")) as part:
        part.write_text(text, encoding="utf-8")
    return card


def _find(name_or_path: str | Path) -> Path:
    name = SHORT_NAMES.get(str(name_or_path), str(name_or_path))
    if name in shipped():
        return WEIGHTS / f"{name}.safetensors"
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
    """Return the SHA-256 of a file in hexadecimal; WeightsError if it cannot be read."""
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


class _Undrawn(TorchFunctionMode):
    """Leaves out the random numbers of new layers, for which "meta" loads PyTorch's compiler."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of PyTorch, unless it only draws numbers."""
        kwargs = kwargs or {}
        if func in _DRAWING:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


_DRAWING = {
    nn.init.normal_,
    nn.init.uniform_,
    nn.init.kaiming_uniform_,
    torch.Tensor.normal_,
    torch.Tensor.uniform_,
}


def _build(card: Card, path: Path) -> nn.Module:
    try:
        return registry.build(card.architecture, **card.hyperparameters)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def _check_tensors(
    path: Path, card: Card, module: nn.Module, found: Mapping[str, torch.Tensor]
) -> None:
    expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
    if problems := faults(expected, found):
        raise WeightsError(
            f"{path}: not weights of {card.architecture!r} as on the card: "
            f"{in_words(problems)}; use the card that they were saved with"
        )


def faults(
    expected: Mapping[str, Sequence[int]], found: Mapping[str, torch.Tensor]
) -> dict[str, list[str]]:
    """Compare the tensors of a file with those of a network.

    Parameters
    ----------
    expected
        Name and shape of each tensor of the network.
    found
        Tensors of the file by name.

    Returns
    -------
    dict
        Tensors that do not fit, by kind of fault; empty if all fit.
    """
    kinds = {
        "missing": [name for name in expected if name not in found],
        "superfluous": [name for name in found if name not in expected],
        "of another shape": [
            f"{name} {tuple(found[name].shape)} for {tuple(shape)}"
            for name, shape in expected.items()
            if name in found and tuple(found[name].shape) != tuple(shape)
        ],
        "not finite": [name for name, tensor in found.items() if not tensor.isfinite().all()],
    }
    return {kind: names for kind, names in kinds.items() if names}


def in_words(problems: Mapping[str, list[str]]) -> str:
    """Name the first two tensors of each kind of :func:`faults`, and count the others."""
    return "; ".join(f"{some(names, most=2)} {kind}" for kind, names in problems.items())
