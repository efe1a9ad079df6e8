"""Checkpoints of the authors' public code, as weights of ours.

Such a file is a dict whose key ``model`` holds the state dict of a network: ``AttU_Net``,
``GeneratorUNetResMod``, ``BTS`` or ``Discriminator64``. Our networks keep their names, so that
a conversion only has to find out which network it is and how wide, and to check every tensor.
"""

import logging
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from clinica_t1nce.errors import WeightsError
from clinica_t1nce.models import registry
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.layers import has_batch_norm
from clinica_t1nce.models.storage import faults, file_sha256, in_words, save_weights

logger = logging.getLogger("clinica_t1nce")

Shapes = Mapping[str, tuple[int, ...]]

_HEADS = 8
"""Heads of the authors' transformer; its tensors do not tell."""


class _Checkpoint(NamedTuple):
    """What a checkpoint of the authors' code holds; the loss is that of one batch."""

    tensors: Mapping[str, torch.Tensor]
    epoch: int | None
    validation_loss: float | None


class _Kind(NamedTuple):
    """One class of the authors' code: its name, our preset, and how its shapes tell its widths."""

    authors_class: str
    preset: str
    measure: Callable[[Shapes], dict[str, Any]]


def convert(
    checkpoint: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    batch_statistics: bool = False,
) -> Card:
    """Write the network of a checkpoint of the authors' code as weights of ours.

    Parameters
    ----------
    checkpoint
        Path of a ``checkpoint.pth.tar`` or ``model_best.pth.tar``.
    out
        Path of the ``.safetensors`` file; its card is the ``.json`` beside it.
    name
        Name of the weights; None: that of `out`.
    batch_statistics
        Whether batch norm takes the statistics of each image at inference, as the authors' own
        figures were made. Without effect on a network that has none.

    Returns
    -------
    Card
        Card as written.

    Raises
    ------
    WeightsError
        If the checkpoint cannot be read, is none of these networks, or a tensor is missing,
        superfluous, of another shape or not finite. Nothing is written then.
    OutputError
        If the files cannot be written.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    digest = file_sha256(checkpoint)
    content = _read_checkpoint(checkpoint)
    try:
        kind, preset = _identify(content.tensors)
    except WeightsError as error:
        raise WeightsError(f"{checkpoint}: {error}") from error
    network = _filled(preset, content.tensors)
    if batch_statistics and not has_batch_norm(network):
        logger.info("%s has no batch norm: batch statistics change nothing.", kind)
    elif batch_statistics:
        preset["inference"]["batch_statistics"] = True
    source = {
        "file": checkpoint.name,
        "sha256": digest,
        "class": kind,
        "epoch": content.epoch,
        "validation_loss": content.validation_loss,
    }
    known = {key: value for key, value in source.items() if value is not None}
    card = Card(name=name or out.stem, training={"converted_from": known}, **preset)
    return save_weights(out, network, card)


def _read_checkpoint(path: Path) -> _Checkpoint:
    """Read a checkpoint; nothing in it is executed."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes PyTorch's reader raise any
        raise WeightsError(
            f"{path}: damaged, or holds more than tensors and numbers, which could run code and "
            "is not loaded; give checkpoint.pth.tar or model_best.pth.tar, not optimizer.pth.tar"
        ) from error
    model = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(model, Mapping) or not all(
        isinstance(key, str) and isinstance(tensor, torch.Tensor) for key, tensor in model.items()
    ):
        raise WeightsError(
            f"{path}: no tensors under the key 'model'; give checkpoint.pth.tar or "
            "model_best.pth.tar as the authors' code writes them"
        )
    epoch, loss = content.get("epoch"), content.get("valid_loss")
    loss = loss.item() if isinstance(loss, torch.Tensor) and loss.numel() == 1 else loss
    return _Checkpoint(
        dict(model),
        epoch if isinstance(epoch, int) else None,
        float(loss) if isinstance(loss, int | float) and math.isfinite(loss) else None,
    )


def _identify(found: Mapping[str, torch.Tensor]) -> tuple[str, dict[str, Any]]:
    """Find the authors' class of these tensors, and our preset with their hyper-parameters."""
    kind = max(_KINDS, key=lambda kind: _count_shared(found, kind))
    preset = registry.preset(kind.preset)
    if 2 * _count_shared(found, kind) < len(found) or not found:
        classes = ", ".join(kind.authors_class for kind in _KINDS)
        raise WeightsError(f"tensors of none of the authors' networks ({classes})")
    candidates = [preset["hyperparameters"], _measured(found, kind)]
    # The widths that most tensors agree with: a single odd one is then named as such.
    problems, chosen = min(
        (
            (faults(_expected(preset["architecture"], candidate), found), candidate)
            for candidate in candidates
            if candidate is not None
        ),
        key=lambda pair: sum(map(len, pair[0].values())),
    )
    if problems:
        raise WeightsError(f"not a whole {kind.authors_class}: {in_words(problems)}; copy it again")
    preset["hyperparameters"] = chosen
    if "grid" in chosen:
        preset["input"]["grid"] = chosen["grid"]
    return kind.authors_class, preset


def _filled(preset: Mapping[str, Any], found: Mapping[str, torch.Tensor]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        network = registry.build(preset["architecture"], **preset["hyperparameters"])
    network.load_state_dict({name: found[name] for name in network.state_dict()}, strict=True)
    return network


def _count_shared(found: Mapping[str, Any], kind: _Kind) -> int:
    preset = registry.preset(kind.preset)
    expected = _expected(preset["architecture"], preset["hyperparameters"])
    return sum(name in expected for name in found)


def _expected(architecture: str, hyperparameters: Mapping[str, Any]) -> Shapes:
    """Give names and shapes of the authors' tensors."""
    with torch.device("meta"):
        network = registry.build(architecture, **hyperparameters)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    if architecture == "trans-unet":
        embedding, width = hyperparameters["embedding"], hyperparameters["widths"][-1]
        # Theirs alone, and without effect on the output.
        shapes["linear_encoding.weight"] = (embedding, width)
        for name in ("linear_encoding.bias", "pre_head_ln.weight", "pre_head_ln.bias"):
            shapes[name] = (embedding,)
    return shapes


def _measured(found: Mapping[str, torch.Tensor], kind: _Kind) -> dict[str, Any] | None:
    """Read hyper-parameters off the shapes; None where these make no network."""
    shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
    preset = registry.preset(kind.preset)
    try:
        measured = {**preset["hyperparameters"], **kind.measure(shapes)}
        with torch.device("meta"):
            registry.build(preset["architecture"], **measured)
    except (WeightsError, KeyError, IndexError, ValueError):
        return None
    return measured


def _levels(shapes: Shapes, pattern: str) -> dict[int, list[str]]:
    """Give the tensors whose names match, by the number in the name, lowest first."""
    levels: dict[int, list[str]] = {}
    for name in shapes:
        if match := re.match(pattern, name):
            levels.setdefault(int(match[1]), []).append(name)
    return dict(sorted(levels.items()))


def _widths(shapes: Shapes, pattern: str) -> list[int]:
    """Give the first dimension that most tensors of each level have."""
    return [
        Counter(shapes[name][0] for name in names if shapes[name]).most_common(1)[0][0]
        for names in _levels(shapes, pattern).values()
    ]


def _measure_res_unet(shapes: Shapes) -> dict[str, Any]:
    widths = _widths(shapes, r"down(\d+)\.")
    levels = range(1, len(widths))
    return {
        "widths": widths,
        "convolutions": [len(_levels(shapes, rf"r{level}\.model\.(\d+)\.")) for level in levels],
    }


def _measure_trans_unet(shapes: Shapes) -> dict[str, Any]:
    widths = _widths(shapes, r"Unet\.EnBlock(\d+)")
    levels = range(1, len(widths) + 1)
    (embedding, *_) = _widths(shapes, r"transformer\.net\.(\d+)\.fn\.norm")
    (hidden, *_) = _widths(shapes, r"transformer\.net\.(\d+)\.fn\.fn\.net\.0\.")
    measured = {
        "widths": widths,
        "blocks": [max(1, len(_levels(shapes, rf"Unet\.EnBlock{n}_(\d+)"))) for n in levels],
        "embedding": embedding,
        "heads": _HEADS,
        "layers": len(_levels(shapes, r"transformer\.net\.(\d+)\.")) // 2,
        "hidden": hidden,
    }
    table = shapes.get("position_encoding.position_embeddings", ())
    if len(table) == 3:
        side = round(table[1] ** (1 / 3))
        measured["grid"] = [side * 2 ** (len(widths) - 1)] * 3
    return measured


_KINDS = (
    _Kind("AttU_Net", "att-unet", lambda shapes: {"widths": _widths(shapes, r"Conv(\d+)\.conv\.")}),
    _Kind("GeneratorUNetResMod", "res-unet", _measure_res_unet),
    _Kind("BTS", "trans-unet", _measure_trans_unet),
    _Kind(
        "Discriminator64",
        "patch-discriminator",
        lambda shapes: {"widths": _widths(shapes, r"model\.(\d+)\.")[:-1]},
    ),
)
