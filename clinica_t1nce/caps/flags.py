"""What is to be looked at in an image: found by the network and in files, kept in sidecars."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from clinica_t1nce.caps.query import ALL, AS_T1NCE, SelectedBy
from clinica_t1nce.caps.selection import contradiction
from clinica_t1nce.synthesis import Flag

if TYPE_CHECKING:
    from clinica_t1nce.files import nifti
    from clinica_t1nce.synthesis.synthesizer import Synthesis

LOW_CONFIDENCE = 0.05
"""Confidence below which an image is flagged: less sure than of nearly all simulated heads."""


def find_flags(selected_by: SelectedBy | None, synthesis: "Synthesis") -> list[Flag]:
    """Say what is to be looked at in an image.

    Parameters
    ----------
    selected_by
        Rule and reason for which the source was taken.
    synthesis
        Result of the network.
    """
    found = []
    if selected_by is not None and selected_by != SelectedBy(ALL):
        reason = None if selected_by.rule == AS_T1NCE else str(selected_by)
        text = contradiction(reason, synthesis.gadolinium)
        if text is not None:
            found.append(Flag("contradiction", text))
    if synthesis.confidence is not None and synthesis.confidence < LOW_CONFIDENCE:
        found.append(Flag("low-confidence", f"low confidence ({synthesis.confidence:.2f})"))
    return [*found, *synthesis.flags]


def source_flags(image: "nifti.Image") -> list[Flag]:
    """Say what is to be looked at in a file that was read: voxels without value, two geometries."""
    found = [_non_finite(image.n_nonfinite)] if image.n_nonfinite else []
    forms = image.forms
    if forms is None or forms.other is None:
        return found
    if forms.source == "none":
        text = "the header has neither qform nor sform, so that left and right are not known"
        code = "no-form"
    else:
        text = f"the header has two geometries, up to {forms.distance:.1f} mm apart"
        code = "forms-differ"
    taken = f"that of the {forms.source}, as ITK does" if forms.source != "none" else "ITK's axes"
    if image.affine is forms.other:
        taken = "that which the crop was made from, though ITK takes the other one today"
    return [*found, Flag(code, f"{text}; {taken}")]


def flags_as_json(found: Iterable[Flag]) -> list[dict[str, str]]:
    """Write flags as a sidecar's ``Flags``."""
    return [{"Code": flag.code, "Text": flag.text} for flag in found]


_EARLIER_FLAGS = {
    "low confidence": "low-confidence",
    "the image shows gadolinium": "contradiction",
    "the metadata say gadolinium": "contradiction",
    "t1-linear made the image": "enlarged",
    "the crop is not the raw image": "warped",
}
"""Codes of the texts with which flags of earlier versions, which had none, began."""


def read_flags(content: Mapping[str, Any]) -> list[Flag]:
    """Give what is to be looked at, of a sidecar of any version."""
    found = []
    for item in content.get("Flags", []):
        if isinstance(item, Mapping):
            found.append(Flag(str(item.get("Code")), str(item.get("Text"))))
        else:
            codes = (code for start, code in _EARLIER_FLAGS.items() if item.startswith(start))
            found.append(Flag(next(codes, "other"), item))
    number = content.get("NonFiniteVoxelsSetToZero", 0)
    if number and not any(flag.code == "non-finite" for flag in found):
        found.append(_non_finite(number))
    return found


def _non_finite(number: int) -> Flag:
    return Flag("non-finite", f"{number} NaN or infinite voxels were set to 0")
