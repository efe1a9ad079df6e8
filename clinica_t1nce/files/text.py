"""Text and JSON, as all our files have them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clinica_t1nce.files import atomic


def as_json(content: Mapping[str, Any]) -> str:
    """Write JSON as all our files have it."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def write_text(path: Path, text: str) -> bool:
    """Write a text, atomically; a file that has it already is not touched.

    Returns
    -------
    bool
        Whether it was written.

    Raises
    ------
    OutputError
        If it cannot be.
    """
    try:
        if path.read_bytes() == text.encode("utf-8"):
            return False
    except OSError:
        pass
    with atomic.temporary(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
    return True
