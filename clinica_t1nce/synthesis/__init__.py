"""One array in, one array out: a T1ce, and what a generator makes of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clinica_t1nce.synthesis.synthesizer import Synthesis, Synthesizer

__all__ = ["Flag", "Synthesis", "Synthesizer"]


@dataclass(frozen=True)
class Flag:
    """Something about an image that its user should look at.

    Attributes
    ----------
    code
        Kind of the finding in lower case with hyphens, the same for all images, such as
        ``"low-confidence"``.
    text
        Finding in one clause, with the figures of this image.

    Examples
    --------
    >>> Flag("low-confidence", "low confidence (0.03)").code
    'low-confidence'
    """

    code: str
    text: str


def __getattr__(name: str) -> Any:
    """Import PyTorch only for those who synthesise."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from clinica_t1nce.synthesis import synthesizer

    return getattr(synthesizer, name)
