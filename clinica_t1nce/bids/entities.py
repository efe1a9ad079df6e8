"""What the name of a BIDS image says: the visit, and contrast."""

import re
from typing import NamedTuple

BY_ENTITY = "ce entity"

CONTRAST = re.compile(r"_ce-[a-zA-Z0-9+]+(?=_)")
"""The entity ``ce-`` in a file name."""


class Visit(NamedTuple):
    """A participant's session, with the prefixes ``sub-`` and ``ses-``."""

    subject: str
    session: str

    def __str__(self) -> str:
        """Write both, separated by a space."""
        return f"{self.subject} {self.session}"


def has_contrast(name: str) -> bool:
    """Say whether a file name has the BIDS entity ``ce-``."""
    return CONTRAST.search(name) is not None
