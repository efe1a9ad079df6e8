"""The BIDS that t1-linear read."""

from pathlib import Path

from clinica_t1nce.bids.contrast_agents import read_words
from clinica_t1nce.bids.t1w_images import Dataset
from clinica_t1nce.caps import description
from clinica_t1nce.errors import SelectionError


def find_bids(caps: Path) -> Path | None:
    """Say from which BIDS t1-linear made a CAPS, by the description that Clinica wrote.

    Returns
    -------
    pathlib.Path or None
        None if the description does not say.

    Raises
    ------
    SelectionError
        If it is not there any more, or there are several.
    """
    try:
        found = sorted({str(step["InputPath"]) for step in description.linear_steps(caps)})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if not found:
        return None
    advice = "give it with --bids-directory"
    if len(found) > 1:
        raise SelectionError(
            f"{caps}: was made from several BIDS ({', '.join(found)}); {advice} one"
        )
    path = caps.parent / found[0]
    if not path.is_dir():
        raise SelectionError(
            f"{path}: no such folder, and {caps} was made from it; if it was moved, {advice}"
        )
    return path


def open_bids(
    caps: Path, bids: Path | None = None, agent_words: Path | None = None
) -> Dataset | None:
    """Open the BIDS that t1-linear read.

    Parameters
    ----------
    caps
        Root of the CAPS.
    bids
        Root of the BIDS; None: the one that the CAPS says, see :func:`find_bids`.
    agent_words
        Table for :func:`clinica_t1nce.bids.contrast_agents.read_words`.

    Returns
    -------
    Dataset or None
        None if nobody says which it is.

    Raises
    ------
    SelectionError
        If it cannot be used, or there are words for metadata that nobody says where to find.
    """
    root = find_bids(caps) if bids is None else bids.absolute()
    words = read_words(agent_words)
    if root is None and agent_words is not None:
        raise SelectionError(
            f"{caps}: does not say from which BIDS it was made, whose words --agent-words is for; "
            "name it with --bids-directory"
        )
    return None if root is None else Dataset(root, words)
