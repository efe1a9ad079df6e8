"""What the parameters of the pipeline ask for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from clinica_t1nce.bids.agents import NO_WORDS, read_words
from clinica_t1nce.bids.dataset import Dataset
from clinica_t1nce.caps import names, selection
from clinica_t1nce.errors import SelectionError
from clinica_t1nce.pipelines.detection import detect
from clinica_t1nce.pipelines.models import Model
from clinica_t1nce.translation import judgement
from clinica_t1nce.translation.runner import Options

DEFAULTS: dict[str, Any] = {
    "model": "default",
    "device": "auto",
    "select": None,
    "include_t1nce": False,
    "n_procs": 1,
    "output_spaces": [names.MNI_CROP],
    "bids_directory": None,
    "agent_words": None,
    "blend": "replace",
    "save_enhancement": False,
    "report": True,
}
"""Parameters of the pipeline."""


def parse_options(parameters: dict[str, Any], keep: bool) -> Options:
    """Say what is to be made of each image.

    Parameters
    ----------
    parameters
        With all keys of :data:`DEFAULTS`.
    keep
        Leave what is there already as it is.

    Raises
    ------
    SelectionError
        If a space is unknown, or the native space lacks a BIDS.
    """
    spaces = tuple(dict.fromkeys(parameters["output_spaces"]))
    unknown = set(spaces) - set(names.SPACES)
    if unknown or not spaces:
        raise SelectionError(f"unknown spaces {sorted(unknown)}; known: {', '.join(names.SPACES)}")
    bids_directory = parameters["bids_directory"]
    if bids_directory is None and names.NATIVE in spaces:
        raise SelectionError(
            "the native space is the grid of the raw images: name the BIDS that t1-linear read "
            "with --bids-directory"
        )
    bids = None if bids_directory is None else Path(bids_directory).absolute()
    return Options(spaces, bids, bool(parameters["save_enhancement"]), keep)


def parse_request(caps: Path, parameters: dict[str, Any], tsv: Path | None) -> selection.Request:
    """Say which images are asked for.

    Raises
    ------
    SelectionError
        If the rule cannot be followed, or the BIDS or the table of words cannot be used.
    """
    directory, table = parameters["bids_directory"], parameters["agent_words"]
    if table is not None and directory is None:
        raise SelectionError(
            "--agent-words is for words in the metadata of a BIDS: name it with --bids-directory"
        )
    words = NO_WORDS if table is None else read_words(Path(table))
    return selection.Request(
        caps,
        selection.rule_for(parameters["select"], tsv),
        tsv,
        None if directory is None else Dataset(Path(directory).absolute(), words),
        include_t1nce=bool(parameters["include_t1nce"]),
    )


def look_at_images(
    request: selection.Request, model: Model, n_procs: int
) -> tuple[selection.Request, dict[Path, str]]:
    """Judge all images that the request may mean; give what is known then, and what failed."""
    crops = selection.candidates(request)
    probabilities, failures = detect(request.caps, crops, model, n_procs=n_procs)
    judgement.rewrite(request.caps, crops, model.card.name, model.card.sha256, request.dataset)
    return replace(request, probabilities=probabilities), failures
