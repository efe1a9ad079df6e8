"""The JSON beside a synthetic image: where it comes from, what made it, what was changed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import clinica_t1nce
from clinica_t1nce.caps import names
from clinica_t1nce.files import atomic
from clinica_t1nce.files.text import find_json
from clinica_t1nce.synthesis import vessels

if TYPE_CHECKING:
    from clinica_t1nce.models.cards import Card

INTENDED_USE = (
    "Synthetic image, for segmentation and research; not for reading lesions or enhancement."
)

FOREGROUND = 0.02
"""The head is what is brighter than this share of the 99th percentile."""


_RESOLUTIONS = {
    names.MNI_CROP: "that of the source (t1-linear's crop: 1 mm isotropic)",
    names.MNI: "that of t1-linear's whole image (1 mm isotropic)",
    names.NATIVE: "that of the raw image",
}


@dataclass(frozen=True)
class Change:
    """How much was taken away, in the head.

    Attributes
    ----------
    mean, percentile_99
        Of T1ce - T1nce, in the image's own units.
    relative
        `mean` over the mean of the T1ce: comparable between scanners.
    """

    mean: float
    percentile_99: float
    relative: float


@dataclass(frozen=True)
class Grid:
    """Where a synthetic image lies.

    Attributes
    ----------
    space
        A key of :data:`clinica_t1nce.caps.names.SPACES`.
    sources
        Files that it was made from beside the crop; the first is the image that it lies on.
    agreement
        How well the raw image, moved by t1-linear's affine, lies on the crop (1: exactly).
    predicted_on
        What the network was given.
    """

    space: str = names.MNI_CROP
    sources: tuple[Path, ...] = ()
    agreement: float | None = None
    predicted_on: str | None = None


def measure_change(volume: np.ndarray, change: np.ndarray) -> Change:
    """Summarise a change over the voxels of the head.

    Parameters
    ----------
    volume
        The T1ce, its background at 0.
    change
        T1ce - T1nce, on the same grid.
    """
    head = volume > max(FOREGROUND * float(np.percentile(volume, 99)), 0.0)
    if not head.any():
        return Change(0.0, 0.0, 0.0)
    mean = float(change[head].mean(dtype=np.float64))
    brightness = float(volume[head].mean(dtype=np.float64))
    return Change(mean, float(np.percentile(change[head], 99)), mean / brightness)


def describe(card: "Card") -> dict[str, Any]:
    """Say what tells one model from another, as the sidecar's ``Model``."""
    model: dict[str, Any] = {
        "Name": card.name,
        "Architecture": card.architecture,
        "SHA256": card.sha256,
    }
    return {**model, "BatchStatistics": True} if card.batch_statistics else model


def build(
    *,
    source: Path,
    output: Path,
    card: "Card",
    change: Change,
    confidence: float | None,
    gadolinium: float | None = None,
    flags: Sequence[str] = (),
    device: str,
    seconds: float,
    n_nonfinite: int = 0,
    scaling: Mapping[str, Any] | None = None,
    root: Path | None = None,
    selected_by: str | None = None,
    grid: Grid = Grid(),
) -> dict[str, Any]:
    """Describe one synthetic image.

    Parameters
    ----------
    source
        The T1ce it was made from.
    output
        The image.
    card
        Of the model.
    change
        From :func:`measure_change`.
    confidence
        0 to 1, or None where the model does not say.
    gadolinium
        Probability that gadolinium was given, by the image, or None where the model does not say.
    flags
        What is to be looked at.
    device
        ``"cpu"`` or ``"cuda"``.
    seconds
        Reading and synthesis; the image is written after its sidecar.
    n_nonfinite
        NaN and infinite voxels of the source that were set to 0.
    scaling
        The intensity scaling used; the card's method where it is not given.
    root
        Root of the data set, for BIDS URIs.
    selected_by
        Why the source was taken for a T1ce.
    grid
        Where the image lies.
    """
    sources = [names.uri(path, root, output.parent) for path in (source, *grid.sources)]
    content: dict[str, Any] = {
        "Description": INTENDED_USE,
        "Synthetic": True,
        "Sources": sources,
        "Space": grid.space,
        "SpatialReference": sources[1] if grid.sources else sources[0],
        "Resolution": _RESOLUTIONS[grid.space],
        "GeneratedBy": [{"Name": "clinica-t1nce", "Version": clinica_t1nce.__version__}],
        "GeneratedAt": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "Model": describe(card),
        "SelectedBy": selected_by,
        "GadoliniumProbability": _rounded(gadolinium),
        "Confidence": _rounded(confidence),
        "Flags": list(flags),
        "Change": {
            "Mean": _rounded(change.mean),
            "Percentile99": _rounded(change.percentile_99),
            "MeanRelativeToSource": _rounded(change.relative),
            "Region": f"voxels above {FOREGROUND:.0%} of the source's 99th percentile",
        },
        "AgreementWithCrop": _rounded(grid.agreement),
        "ChangePredictedOn": grid.predicted_on,
        "IntensityScaling": dict(card.scaling if scaling is None else scaling),
        "NonFiniteVoxelsSetToZero": n_nonfinite,
        "Device": device,
        "DurationSeconds": round(seconds, 2),
    }
    return {key: value for key, value in content.items() if value is not None}


def build_enhancement(content: Mapping[str, Any], image: str) -> dict[str, Any]:
    """Describe the map of what was removed to make one synthetic image.

    Parameters
    ----------
    content
        Of the synthetic image's sidecar, from :func:`build`.
    image
        The synthetic image, as :func:`clinica_t1nce.caps.names.uri` writes it.
    """
    return {
        "Description": "What was removed: the T1ce minus the synthetic T1nce. A model's estimate "
        "of the enhancement, not a measurement.",
        "Synthetic": True,
        "Sources": [content["SpatialReference"], image],
        "Units": "arbitrary, those of the T1ce",
        **_shared(content),
    }


def build_vessels(content: Mapping[str, Any], threshold: float) -> dict[str, Any]:
    """Describe the mask of vessels in what was removed.

    Parameters
    ----------
    content
        Of the synthetic image's sidecar, from :func:`build`.
    threshold
        From :func:`clinica_t1nce.synthesis.vessels.threshold`.
    """
    return {
        "Description": "Vessels: what lost much brightness and is thin. Choroid plexus, enhancing "
        "meninges and thin rims of lesions are in it.",
        "Synthetic": True,
        "Type": "ROI",
        "Sources": content["Sources"],
        "Units": "1: vessel, 0: none",
        "Threshold": {
            "Removed": _rounded(threshold),
            "Units": "arbitrary, those of what the model was given",
            "ShareOfBrightTissue": vessels.BRIGHTER,
            "ThickestInMm": vessels.THICKEST,
            "SmallestInMm3": vessels.SMALLEST,
            "LeastDepthInAWholeHeadInMm": vessels.DEEPEST_SCALP,
        },
        **_shared(content),
    }


def _shared(content: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("Space", "SpatialReference", "Resolution", "ChangePredictedOn", "GeneratedBy", "Model")
    return {key: content[key] for key in keys if key in content}


def write(image: Path, content: Mapping[str, Any]) -> Path:
    """Write the sidecar of an image, atomically.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = names.sidecar_path(image)
    with atomic.temporary(path) as part:
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def read(image: Path) -> dict[str, Any] | None:
    """Read the sidecar of an image; None where there is none that can be read."""
    return find_json(names.sidecar_path(image))


def is_done(image: Path) -> bool:
    """Say whether an image and its sidecar are there.

    Both appear under their names only when they are whole, the image last.
    """
    return image.is_file() and names.sidecar_path(image).is_file()


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
