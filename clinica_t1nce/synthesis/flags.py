"""What is to be looked at in an image: a code for programs, a text for people."""

from dataclasses import dataclass


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
