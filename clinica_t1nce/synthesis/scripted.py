"""A generator as one TorchScript module that needs none of this package: scanner units in and out.

What :class:`clinica_t1nce.synthesis.Synthesizer` does with an image on its own axes and voxel size
whose background is 0, and which has no outliers: scaling, the box of the head, padding, mirrors,
decoding, subtraction. What depends on the size of an image is written again here, in TorchScript's
part of Python: it can call nothing of NumPy, and a trace would keep the sizes of its example.
"""

import warnings

import torch
from torch import nn

from clinica_t1nce.errors import WeightsError
from clinica_t1nce.models.cards import Card
from clinica_t1nce.synthesis.decode import decode, fade_small, guide
from clinica_t1nce.synthesis.detector import Detector
from clinica_t1nce.synthesis.synthesizer import MARGIN

EXAMPLE = (40, 48, 32)
"""Sides of the volume that a network is traced with; it takes any."""


class _Whole(nn.Module):
    def __init__(self, module: nn.Module, card: Card):
        super().__init__()
        self.module, self.card = module, card
        self.quantiles = getattr(module, "quantiles", (0.5,))
        with warnings.catch_warnings():
            # Loaders of bundles read TorchScript, whatever comes after it.
            warnings.simplefilter("ignore")
            self.scale = torch.jit.script(_scale)
            self.crop = torch.jit.script(_crop)
            self.pad, self.unpad = torch.jit.script(_pad), torch.jit.script(_unpad)
            self.paste = torch.jit.script(_paste)
            self.subtract = torch.jit.script(_subtract)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scaling, card = dict(self.card.scaling), self.card
        factor = self.scale(x, scaling.get("percentile", 70.0), scaling.get("floor", 0.02))
        scaled = x / factor
        part = self.crop(scaled, MARGIN)
        total = torch.zeros_like(part)
        for axes in card.inference.mirrors:
            flipped = [axis + 2 for axis in axes]
            view = part.flip(flipped)
            out = self.unpad(self.module(self.pad(view, card.input.multiple)), view)
            change = decode(out, view, card.output, self.quantiles, card.inference.quantile).change
            total = total + change.flip(flipped)
        change = total / len(card.inference.mirrors)
        if card.inference.guided:
            change = guide(change, part)
        change = fade_small(change, card.inference.fade)
        found: torch.Tensor = self.subtract(x, self.paste(scaled, change, MARGIN) * factor)
        return found


def script(module: nn.Module, card: Card) -> torch.jit.ScriptModule:
    """Make a TorchScript module of a generator: T1ce to T1nce, N x 1 x D x H x W.

    Parameters
    ----------
    module
        Network, in evaluation mode.
    card
        Card of its weights.

    Returns
    -------
    torch.jit.ScriptModule
        For one image at a time (N = 1), along axes that run right, anterior, superior, of voxels
        of 1 mm, its background at 0.

    Raises
    ------
    WeightsError
        If the network is one whose images are not made by this rule.
    """
    found = Detector.from_card(card.calibration)
    faults = {
        "works on a grid of its own": card.grid is not None,
        "gives whole images": card.output != "change",
        "is scaled otherwise": card.scaling.get("method") != "percentile",
        "is faded by a detector": found is not None and found.fraction(0.0) < 1,
    }
    if problems := [text for text, is_so in faults.items() if is_so]:
        raise WeightsError(
            f"{card.name}: cannot be exported, for it {' and '.join(problems)}; choose "
            "weights of a change U-Net"
        )
    example = torch.zeros(1, 1, *EXAMPLE)
    example[..., 10:30, 10:38, 9:25] = torch.rand(20, 28, 16, generator=torch.Generator())
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return torch.jit.trace(_Whole(module, card).eval(), example, check_trace=False)


def _percentile(values: torch.Tensor, q: float) -> torch.Tensor:
    """Give a percentile; torch.quantile refuses more than 16 million values."""
    ordered = values.flatten().sort()[0]
    place = q / 100.0 * float(ordered.numel() - 1)
    low = int(place)
    high = min(low + 1, ordered.numel() - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - float(low))


def _scale(x: torch.Tensor, percentile: float, floor: float) -> torch.Tensor:
    threshold = torch.clamp(floor * _percentile(x, 99.0), min=0.0)
    return _percentile(x[x > threshold], percentile)


def _box(x: torch.Tensor, margin: int) -> list[int]:
    """Give start and stop along each axis of what is not 0, with a margin."""
    found: list[int] = []
    there = x[0, 0] != 0
    for axis in range(3):
        line = there.movedim(axis, 0).flatten(1).any(1).nonzero().flatten()
        low, high = 0, there.shape[axis]
        if line.numel() > 0:
            low = max(int(line[0]) - margin, 0)
            high = min(int(line[-1]) + 1 + margin, there.shape[axis])
        found.append(low)
        found.append(high)
    return found


def _crop(x: torch.Tensor, margin: int) -> torch.Tensor:
    b = _box(x, margin)
    return x[:, :, b[0] : b[1], b[2] : b[3], b[4] : b[5]]


def _pad(x: torch.Tensor, multiple: int) -> torch.Tensor:
    d, h, w = x.shape[2], x.shape[3], x.shape[4]
    pads = [0, -w % multiple, 0, -h % multiple, 0, -d % multiple]
    return torch.nn.functional.pad(x, pads, mode="replicate")


def _unpad(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return x[:, :, : like.shape[2], : like.shape[3], : like.shape[4]]


def _paste(x: torch.Tensor, change: torch.Tensor, margin: int) -> torch.Tensor:
    b = _box(x, margin)
    whole = torch.zeros_like(x)
    whole[:, :, b[0] : b[1], b[2] : b[3], b[4] : b[5]] = change
    return whole


def _subtract(x: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    lowered = torch.clamp(x - change, min=float(x.min()), max=float(x.max()))
    lowered = torch.maximum(lowered, torch.clamp(x, max=0.0))
    return torch.where((change == 0) | (x == 0), x, lowered)
