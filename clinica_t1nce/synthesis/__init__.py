"""One array in, one array out: a T1ce, and what a generator makes of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import lazy_loader

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


# PyTorch is imported only for those who synthesise.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__, submod_attrs={"synthesizer": ["Synthesis", "Synthesizer"]}
)
