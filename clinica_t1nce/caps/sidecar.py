"""The JSON beside a synthetic image: where it comes from, what made it, what was changed."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import clinica_t1nce
from clinica_t1nce.caps import names
from clinica_t1nce.caps.flags import flags_as_json
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.files import atomic
from clinica_t1nce.files.content import fingerprint, has_changed, is_whole
from clinica_t1nce.files.text import find_json
from clinica_t1nce.synthesis import Flag
from clinica_t1nce.volumes import intensity

if TYPE_CHECKING:
    from clinica_t1nce.models.cards import Card
    from clinica_t1nce.synthesis.enhancement_prior import Place
    from clinica_t1nce.synthesis.synthesizer import Synthesis, Synthesizer

INTENDED_USE = (
    "Synthetic image, for segmentation and research; not for reading lesions or enhancement."
)

_RESOLUTIONS = {
    names.MNI_CROP: "that of the source (t1-linear's crop: 1 mm isotropic)",
    names.MNI: "that of t1-linear's whole image (1 mm isotropic)",
    names.NATIVE: "that of the raw image",
}


@dataclass(frozen=True)
class SourceImage:
    """T1ce that a synthetic image is made from.

    Attributes
    ----------
    path
        Path of the image that was read.
    root
        Root of the data set, for BIDS URIs.
    root_name
        Name of that data set in the ``DatasetLinks`` of the synthetic image's; empty: both are one.
    selected_by
        Rule and reason for which it was taken for a T1ce.
    n_nonfinite
        Number of NaN and infinite voxels that were set to 0.
    notes
        Results of :func:`clinica_t1nce.files.content.read_noted`; other files are read for theirs.
    """

    path: Path
    root: Path | None = None
    root_name: str = ""
    selected_by: SelectedBy | None = None
    n_nonfinite: int = 0
    notes: Mapping[Path, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """Model that made a synthetic image, and what it said.

    Attributes
    ----------
    card
        Card of the model.
    confidence
        Confidence, 0 to 1; None where the model does not say.
    gadolinium
        Probability that gadolinium was given, by the image; None where the model does not say.
    device
        Device of the network: ``"cpu"`` or ``"cuda"``.
    scaling
        Intensity scaling used; empty: the card's method.
    """

    card: "Card"
    confidence: float | None = None
    gadolinium: float | None = None
    device: str = "cpu"
    scaling: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, synthesis: "Synthesis", synthesizer: "Synthesizer") -> "Prediction":
        """Give what a synthesizer made of an image."""
        return cls(
            synthesizer.card,
            synthesis.confidence,
            synthesis.gadolinium,
            str(synthesizer.device),
            {**synthesizer.card.scaling, **asdict(synthesis.scaling)},
        )


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
        Correlation of the raw image, moved by t1-linear's affine, with the crop (1: exactly).
    predicted_on
        Image that the network was given.
    """

    space: names.Space = names.MNI_CROP
    sources: tuple[Path, ...] = ()
    agreement: float | None = None
    predicted_on: str | None = None


def measure_change(
    volume: np.ndarray, change: np.ndarray, place: "Place | None" = None
) -> dict[str, Any]:
    """Summarise a change over the voxels of the head, as the sidecar's ``Change``.

    Parameters
    ----------
    volume
        The T1ce, its background at 0.
    change
        T1ce - T1nce, on the same grid.
    place
        Result of :func:`clinica_t1nce.synthesis.enhancement_prior.locate`, if MNI space is known.

    Returns
    -------
    dict
        Mean and 99th percentile of the change, in the image's own units, the ratio of its mean to
        that of the T1ce, comparable between scanners, and how much of it lies where `place` says.
    """
    head = intensity.head(volume)
    mean = percentile = relative = 0.0
    where: dict[str, Any] = {}
    if head.any():
        mean = float(change[head].mean(dtype=np.float64))
        percentile = intensity.find_percentile(change[head], 99)
        relative = mean / float(volume[head].mean(dtype=np.float64))
        if place is not None:
            share, expected = _rounded(place.share), _rounded(place.expected)
            where = {"ShareAtVessels": share, "ShareAtVesselsIfEven": expected}
    return {
        "Mean": _rounded(mean),
        "Percentile99": _rounded(percentile),
        "MeanRelativeToSource": _rounded(relative),
        **where,
        "Region": f"voxels above {intensity.HEAD:.0%} of the source's 99th percentile",
    }


def describe_model(card: "Card") -> dict[str, Any]:
    """Say what tells one model from another, as the sidecar's ``Model``."""
    model: dict[str, Any] = {
        "Name": card.name,
        "Architecture": card.architecture,
        "SHA256": card.sha256,
    }
    return {**model, "BatchStatistics": True} if card.inference.batch_statistics else model


def describe_image(
    output: Path,
    source: SourceImage,
    prediction: Prediction,
    *,
    change: Mapping[str, Any],
    grid: Grid = Grid(),
    flags: Sequence[Flag] = (),
    seconds: float,
) -> dict[str, Any]:
    """Describe one synthetic image.

    Parameters
    ----------
    output
        Path of the image.
    source
        T1ce that it was made from.
    prediction
        Model, and what it said.
    change
        Result of :func:`measure_change`.
    grid
        Grid of the image.
    flags
        Findings that the user should look at.
    seconds
        Duration of reading and synthesis; the image is written after its sidecar.
    """
    card, selected_by = prediction.card, source.selected_by
    files = (source.path, *grid.sources)
    sources = [names.uri(path, source.root, output.parent, source.root_name) for path in files]
    content: dict[str, Any] = {
        "Description": INTENDED_USE,
        "Synthetic": True,
        "Sources": sources,
        "SourceFiles": [source.notes.get(path) or fingerprint(path) for path in files],
        "Space": grid.space,
        "SpatialReference": sources[1] if grid.sources else sources[0],
        "Resolution": _RESOLUTIONS[grid.space],
        "GeneratedBy": [{"Name": "clinica-t1nce", "Version": clinica_t1nce.__version__}],
        "GeneratedAt": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "Model": describe_model(card),
        "Selection": selected_by and {"Rule": selected_by.rule, "Reason": selected_by.reason},
        "GadoliniumProbability": _rounded(prediction.gadolinium),
        "Confidence": _rounded(prediction.confidence),
        "Flags": flags_as_json(flags),
        "Change": dict(change),
        "AgreementWithCrop": _rounded(grid.agreement),
        "ChangePredictedOn": grid.predicted_on,
        "IntensityScaling": dict(prediction.scaling or card.scaling),
        "NonFiniteVoxelsSetToZero": source.n_nonfinite,
        "Device": prediction.device,
        "DurationSeconds": round(seconds, 2),
    }
    return {key: value for key, value in content.items() if value is not None}


def describe_enhancement(content: Mapping[str, Any], image: str) -> dict[str, Any]:
    """Describe the map of what was removed to make one synthetic image.

    Parameters
    ----------
    content
        Content of the synthetic image's sidecar, from :func:`describe_image`.
    image
        The synthetic image, as :func:`clinica_t1nce.caps.names.uri` writes it.
    """
    return {
        "Description": "What was removed: the T1ce minus the synthetic T1nce. A model's estimate "
        "of the enhancement, not a measurement.",
        "Synthetic": True,
        "Sources": [content["SpatialReference"], image],
        "Units": "arbitrary, those of the T1ce",
        **_shared_keys(content),
    }


def describe_vessels(content: Mapping[str, Any], threshold: float) -> dict[str, Any]:
    """Describe the mask of vessels in what was removed.

    Parameters
    ----------
    content
        Content of the synthetic image's sidecar, from :func:`describe_image`.
    threshold
        Result of :func:`clinica_t1nce.synthesis.vessels.threshold`.
    """
    # It brings torch with it, which a command's help does without.
    from clinica_t1nce.synthesis import vessels

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
        **_shared_keys(content),
    }


def _shared_keys(content: Mapping[str, Any]) -> dict[str, Any]:
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


def selection(content: Mapping[str, Any]) -> SelectedBy | None:
    """Give why the source was taken, of a sidecar of any version; None where it does not say."""
    found = content.get("Selection")
    if isinstance(found, Mapping):
        return SelectedBy(found.get("Rule", "metadata"), found.get("Reason"))
    text = content.get("SelectedBy")
    return SelectedBy.parse(text) if isinstance(text, str) else None


Reader = Callable[[Path], dict[str, Any] | None]
"""Function that gives the content of an image's sidecar, as :func:`read`."""

Lack = Literal["missing", "damaged", "source-changed", "other-weights"]
"""Reasons for which an image is to be made, or made again."""
LACKS: dict[Lack, str] = {
    "missing": "they were not there",
    "damaged": "they could not be opened",
    "source-changed": "their sources have changed since",
    "other-weights": "other weights of this name had made them",
}


def lack(
    image: Path,
    sources: Iterable[Path] = (),
    model: Mapping[str, Any] | None = None,
    read: Reader = read,
) -> Lack | None:
    """Say why an image is to be made, or made again; None if it is done.

    Both image and sidecar appear under their names only when they are whole, the image last.
    Sidecars that have no ``SourceFiles``, as earlier versions wrote them, are taken at their word.

    Parameters
    ----------
    image
        Path of the image.
    sources
        Paths of the files that it is made from, in the order of its sidecar's ``Sources``.
    model
        Result of :func:`describe_model` for the weights that are to make it; None for any.
    read
        Function that reads the sidecar.
    """
    if not image.is_file():
        return "missing"
    content = read(image)
    if content is None:
        return "damaged" if names.sidecar_path(image).is_file() else "missing"
    if not is_whole(image):
        return "damaged"
    if any(map(has_changed, sources, content.get("SourceFiles", []))):
        return "source-changed"
    if model is None:
        return None
    keys = ("SHA256", "BatchStatistics")
    made_by = content.get("Model", {})
    return "other-weights" if any(made_by.get(k) != model.get(k) for k in keys) else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
