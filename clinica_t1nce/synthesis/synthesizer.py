"""One T1ce in, one synthetic T1nce out: scale, resample, generate, restore."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from nibabel.orientations import inv_ornt_aff, io_orientation
from torch import nn

from clinica_t1nce.errors import DeviceError, WeightsError
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.change_unet import ChangeUNet
from clinica_t1nce.models.storage import load_generator
from clinica_t1nce.synthesis import Flag, detector, transfer
from clinica_t1nce.synthesis.conditioning import Conditioned, condition
from clinica_t1nce.synthesis.decode import Decoded, decode, fade_small, guide
from clinica_t1nce.volumes import grids, intensity

logger = logging.getLogger("clinica_t1nce")

BLENDS = ("replace", "change")

MARGIN = 8
"""Voxels of background that a network sees around a head."""


@dataclass(frozen=True, eq=False)
class Synthesis:
    """What came of one T1ce.

    Attributes
    ----------
    image
        Synthetic T1nce: float32, in the T1ce's shape and units.
    change
        Difference ``T1ce - image``, in the same units; positive where enhancement was removed.
    gadolinium
        Probability, 0 to 1, that gadolinium was given, read from what the generator would remove;
        None of a model whose card has no detector (:mod:`clinica_t1nce.synthesis.detector`). Where
        it is low the change is faded out, so that a T1nce comes out as it came in.
    confidence
        Confidence from 0 to 1, None where the model cannot tell. Where the card is calibrated: the
        fraction of the enhancement that is expected to have been removed, net of what was removed
        wrongly, as on simulated heads of the same uncertainty. Else 1 minus that uncertainty, which
        ranks images of one model: see `uncertainty`. 1 if nothing changed.
    uncertainty
        Half of the distance between the outer quantiles that the network gives or, of a network
        without, the standard deviation over the mirrored images: its mean over the image, as a
        share of the mean change. 0 or more; None of a single prediction without quantiles.
    scaling
        Scaling that was measured on the T1ce.
    flags
        Unusual things about the T1ce: :mod:`clinica_t1nce.synthesis.conditioning`.
    shown
        T1ce without its background and outliers, as the network was shown it.
    """

    image: np.ndarray
    change: np.ndarray
    gadolinium: float | None
    confidence: float | None
    uncertainty: float | None
    scaling: intensity.Scaling
    flags: tuple[Flag, ...] = ()
    shown: np.ndarray | None = None


class Synthesizer:
    """A generator and its card, ready to turn T1ce into synthetic T1nce.

    The same volume gives the same bytes on the same machine and number of threads.

    Parameters
    ----------
    module
        Generator.
    card
        Card of its weights, which says how volumes are brought to it.
    device
        Device that it runs on; see :func:`find_device`.
    blend
        Use of the output of a model that predicts whole images: ``"replace"`` gives its image as it
        is, with the blur of its grid; ``"change"`` takes from the T1ce what the model changed on
        its own grid, so that the T1ce's resolution stays. Both are the same for a model that
        predicts changes.

    Attributes
    ----------
    card : Card
    device : torch.device

    Raises
    ------
    ValueError
        If `blend` is unknown.
    DeviceError
        If the device is not there.
    WeightsError
        If the card's calibration cannot be used.
    """

    def __init__(
        self,
        module: nn.Module,
        card: Card,
        device: str | torch.device = "cpu",
        blend: str = "replace",
    ):
        if blend not in BLENDS:
            raise ValueError(f"unknown blend {blend!r}; known: {', '.join(BLENDS)}")
        self.card = card
        self._blend = blend
        self.device = find_device(device)
        self._quantiles: Sequence[float] = getattr(module, "quantiles", (0.5,))
        try:
            self._detector = detector.Detector.from_card(card.calibration)
            self._confidence_table = detector.confidence_table(card.calibration)
        except ValueError as error:
            raise WeightsError(f"{card.name}: {error}; calibrate the weights again") from error
        # On the CPU, channels last takes 30 % less time than channels first.
        self._layout = (
            torch.channels_last_3d if self.device.type == "cpu" else torch.contiguous_format
        )
        self._module = module.eval().to(self.device)
        self._module.to(memory_format=self._layout)  # type: ignore[call-overload]

    @classmethod
    def load(
        cls,
        name_or_path: str | Path = "default",
        device: str = "auto",
        n_threads: int | None = None,
        blend: str = "replace",
    ) -> "Synthesizer":
        """Load weights and bring them to a device.

        Parameters
        ----------
        name_or_path
            Weights, as :func:`clinica_t1nce.models.storage.load_generator` takes them.
        device
            Name of the device, as :func:`find_device` takes it.
        n_threads
            Number of PyTorch's threads, for the whole process; None leaves them.
        blend
            Blending, ``"replace"`` or ``"change"``, as for the class.

        Raises
        ------
        ValueError
            If `blend` is unknown.
        WeightsError
            If the weights cannot be used.
        DeviceError
            If the device is not there.
        """
        found = find_device(device)
        if n_threads is not None:
            torch.set_num_threads(n_threads)
        module, card = load_generator(name_or_path)
        return cls(module, card, found, blend)

    @property
    def transfers_change(self) -> bool:
        """Whether the change is the model's own, not mixed with the blur of its grid."""
        return self.card.output == "change" or self._blend == "change"

    def transferring_change(self) -> "Synthesizer":
        """Return the same model, blending by change: for other grids than the T1ce's."""
        if self.transfers_change:
            return self
        return Synthesizer(self._module, self.card, self.device, blend="change")

    def __call__(self, volume: np.ndarray, affine: np.ndarray | None = None) -> Synthesis:
        """Make the synthetic T1nce of one T1ce.

        The image stays within the T1ce's own range and, where the T1ce is above its background,
        above it, too. Voxels that are exactly background, as outside a skull-stripped brain, stay
        as they are, and so do outliers, which the network is not shown:
        :mod:`clinica_t1nce.synthesis.conditioning`.

        Parameters
        ----------
        volume
            T1ce: three axes, finite, any unit. A constant added to it is added to the result.
        affine
            Affine, 4 x 4, voxel indices to mm. The network, trained on axes that run right,
            anterior, superior, is given such axes, and the results are turned back to those of
            `volume`. Where voxels are not of 1 mm (:data:`clinica_t1nce.volumes.grids.NEAR`), it
            is given such voxels, and what it changes is transferred to those of `volume`, which
            keeps its resolution. None: axes and voxel size are so already.

        Raises
        ------
        ImageError
            If the volume is not a 3-D array of plain numbers, not finite or constant, or the
            affine is not one of a head.
        WeightsError
            If the network gives values that are not finite.
        DeviceError
            If the device runs out of memory.
        """
        ras = grids.check_volume(volume)
        grid = None
        if affine is not None:
            affine = grids.check_affine(affine, ras.shape)
            ras_affine = affine @ inv_ornt_aff(io_orientation(affine), ras.shape)
            ras = grids.to_ras(ras, affine)
            grid = grids.network_grid(ras.shape, ras_affine)
        given = condition(np.ascontiguousarray(ras))
        if grid is None:
            found = self._synthesise(given)
        else:
            resampled = grids.sample(given.shown, ras_affine, *grid)
            found = self.transferring_change()._synthesise(condition(resampled))
            image = transfer.transfer(found.change, grid[1], given, ras_affine)
            offset = found.scaling.offset + given.background
            found = replace(
                found,
                image=image,
                change=given.image - image,
                scaling=replace(found.scaling, offset=offset),
                flags=given.flags,
                shown=given.shown,
            )
        if affine is None or found.shown is None:
            return found
        image, change, shown = (
            grids.from_ras(volume, affine) for volume in (found.image, found.change, found.shown)
        )
        return replace(found, image=image, change=change, shown=shown)

    def _synthesise(self, given: Conditioned) -> Synthesis:
        """Make the T1nce of an image on the network's axes and voxel size."""
        scaling = intensity.measure(given.shown, **self.card.scaling)
        scaled = scaling.apply(given.shown)
        scaled_change = np.zeros_like(given.shown)
        box = self._box(given.shown)
        scaled_change[box], uncertainty = self._predict(scaled[box])
        gadolinium = self._probability(scaled, scaled_change, uncertainty)
        fraction = 1.0
        if gadolinium is not None and self._detector is not None:
            fraction = self._detector.fraction(gadolinium)
            scaled_change *= np.float32(fraction)
        image = given.subtract(scaled_change * np.float32(scaling.factor))
        confidence = self._confidence(uncertainty)
        if confidence is not None and gadolinium is not None:
            # As far as the image was left alone, what counts is how surely that was right.
            confidence = fraction * confidence + (1 - fraction) * (1 - gadolinium)
        return Synthesis(
            image,
            given.image - image,
            gadolinium,
            confidence,
            uncertainty,
            replace(scaling, offset=scaling.offset + given.background),
            given.flags,
            given.shown,
        )

    def _probability(
        self, scaled: np.ndarray, change: np.ndarray, uncertainty: float | None
    ) -> float | None:
        if self._detector is None:
            return None
        head = scaled > detector.HEAD
        if not head.any():
            return None
        return self._detector.probability(detector.measure_features(change, head, uncertainty))

    def _confidence(self, uncertainty: float | None) -> float | None:
        if uncertainty is None:
            return None
        if self._confidence_table is None:
            return min(max(1.0 - uncertainty, 0.0), 1.0)
        return float(np.interp(uncertainty, *self._confidence_table))

    def _box(self, volume: np.ndarray) -> tuple[slice, ...]:
        """Find what the network has to see: unless its grid is fixed, no more than the head."""
        if self.card.grid is not None:
            return (slice(None),) * 3
        return grids.nonzero_box(volume, MARGIN)

    @torch.inference_mode()
    def _predict(self, scaled: np.ndarray) -> tuple[np.ndarray, float | None]:
        """Average the change over the card's mirrors, in scaled units; and say how unsure it is."""
        try:
            # A GPU is to agree with the CPU, and with itself.
            with torch.backends.cudnn.flags(deterministic=True, benchmark=False, allow_tf32=False):
                return self._average(torch.from_numpy(scaled)[None, None].to(self.device))
        except RuntimeError as error:
            if self.device.type == "cpu" and "can't allocate memory" in str(error):
                # What PyTorch says on a CPU; on a GPU it has a class for it.
                raise MemoryError(f"not enough memory for {self.card.name}") from error
            if not isinstance(error, torch.OutOfMemoryError):
                raise
            raise DeviceError(
                f"{self.device}: not enough memory for {self.card.name}; "
                "choose the CPU, or a lighter model"
            ) from error

    def _average(self, x: torch.Tensor) -> tuple[np.ndarray, float | None]:
        mean: torch.Tensor | None = None
        has_range = self.card.output == "change" and len(self._quantiles) > 1
        squares = None if has_range else torch.zeros_like(x)
        half_range: torch.Tensor | None = None
        # Welford's recurrence: no need to keep eight volumes.
        for n, axes in enumerate(self.card.inference.mirrors, start=1):
            flipped = [axis + 2 for axis in axes]
            change, own_range = self._change(x.flip(flipped) if axes else x)
            change = change.flip(flipped) if axes else change
            if mean is None:
                mean = change  # Nothing else uses it: it may be added to.
            else:
                delta = change - mean
                mean += delta / n
                if squares is not None:
                    squares += delta * (change - mean)
            if own_range is not None:
                half_range = own_range if half_range is None else half_range.add_(own_range)
        assert mean is not None
        # Both are NaN where any voxel is.
        if not all(bool(end.isfinite()) for end in mean.aminmax()):
            raise WeightsError(f"{self.card.name}: gives NaN or infinite voxels; use other weights")
        if self.card.inference.guided:
            mean = guide(mean, x)
        n_views = len(self.card.inference.mirrors)
        spread = half_range
        if squares is not None and n_views > 1:
            spread = squares.div_(n_views).sqrt_()
        elif spread is not None:
            spread = spread.div_(n_views)
        uncertainty = None
        if spread is not None:
            size = _exact_mean(mean.abs())
            uncertainty = _exact_mean(spread) / size if size else 0.0
        faded = fade_small(mean, self.card.inference.fade)
        return faded[0, 0].cpu().numpy(), uncertainty

    def _change(self, x: torch.Tensor) -> Decoded:
        """Predict what to take from one view of the image, 1 x 1 x D x H x W, scaled."""
        if self.card.grid is None:
            padded, inside = grids.pad_to_multiple(x, self.card.input.multiple)
            in_windows = self.card.output == "change" and self.device.type == "cpu"
            if in_windows and isinstance(self._module, ChangeUNet):
                # No change is made where there is nothing. A GPU would wait for each window.
                found = self._module.where_filled(padded, self._decode_together)
                found = grids.unpad(found, inside)
                return Decoded(found[:, :1], found[:, 1:] if found.shape[1] > 1 else None)
            return self._decode(grids.unpad(self._generate(padded), inside), x)
        small = grids.resample(x, self.card.grid)
        out = self._generate(small)
        if self.card.output == "image" and self._blend == "change":
            return Decoded(grids.resample(self._decode(out, small).change, x.shape[2:]), None)
        return self._decode(grids.resample(out, x.shape[2:]), x)

    def _decode(self, out: torch.Tensor, x: torch.Tensor) -> Decoded:
        return decode(out, x, self.card.output, self._quantiles, self.card.inference.quantile)

    def _decode_together(self, out: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        found = self._decode(out, x)
        return torch.cat([each for each in found if each is not None], dim=1)

    def _generate(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self._module(x.contiguous(memory_format=self._layout))
        return out


def find_device(name: str | torch.device) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` into a device that is there.

    ``auto`` is the first CUDA device, or the CPU where there is none, which is logged.

    Raises
    ------
    DeviceError
        If the name is unknown, or the device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        logger.info("No CUDA device: the CPU is used.")
        return torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise DeviceError(f"unknown device {name!r}; choose auto, cpu or cuda")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"no device '{name}' on this machine; choose auto or cpu")
    return device


def _exact_mean(values: torch.Tensor) -> float:
    # PyTorch would make a copy in float64.
    return float(values.cpu().numpy().mean(dtype=np.float64))
