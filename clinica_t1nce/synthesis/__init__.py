"""One array in, one array out: a T1ce, and what a generator makes of it."""

from typing import TYPE_CHECKING, Any

from clinica_t1nce.synthesis.flags import Flag

if TYPE_CHECKING:
    from clinica_t1nce.synthesis.synthesizer import Synthesis, Synthesizer

__all__ = ["Flag", "Synthesis", "Synthesizer"]


def __getattr__(name: str) -> Any:
    """Import PyTorch only for those who synthesise."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from clinica_t1nce.synthesis import synthesizer

    return getattr(synthesizer, name)
