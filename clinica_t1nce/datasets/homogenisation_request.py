"""What is asked of `clinica-t1nce homogenise`, and the command that asks for it."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from clinica_t1nce.caps import names


@dataclass(frozen=True)
class HomogenisationRequest:
    """What `clinica-t1nce homogenise` is asked for.

    Attributes
    ----------
    caps
        Root of the CAPS.
    out
        The data set to make or to add to.
    bids
        The BIDS that t1-linear read; None for the one that the CAPS says.
    model
        Name of the weights; None for the only ones whose images the CAPS holds.
    space
        Key of :data:`names.SPACES`.
    include_t1nce
        Whether the generator's T1nce are taken in the place of the acquired ones.
    choices
        Table of images to take.
    agent_words
        Table of the meanings of words on contrast agents, see
        :func:`clinica_t1nce.bids.contrast_agents.read_words`.
    copy
        Whether files are copied rather than linked.
    overwrite
        Whether images that are there are replaced.
    caps_output
        CAPS to make or to add to, with the crops of the same images; None: none is made.
    can_lack_synthetic
        Whether the model that is named may have made no image, as where it failed at all of them.
    """

    caps: Path
    out: Path
    bids: Path | None = None
    model: str | None = None
    space: names.Space = names.MNI_CROP
    include_t1nce: bool = False
    choices: Path | None = None
    agent_words: Path | None = None
    copy: bool = False
    overwrite: bool = False
    caps_output: Path | None = None
    can_lack_synthetic: bool = False


def overwriting_command(request: HomogenisationRequest) -> str:
    """Write the command that makes the same data set, and replaces the images that are there.

    Examples
    --------
    >>> overwriting_command(HomogenisationRequest(Path("caps"), Path("my out"), model="m"))
    "clinica-t1nce homogenise caps 'my out' --overwrite --model m --space mni-crop"
    """
    words = ["clinica-t1nce", "homogenise", request.caps, request.out, "--overwrite"]
    options = {
        "--model": request.model,
        "--space": request.space,
        "--bids-directory": request.bids,
        "-tsv": request.choices,
        "--agent-words": request.agent_words,
        "--caps-output": request.caps_output,
    }
    words += [word for item in options.items() if item[1] is not None for word in item]
    flags = {"--include-t1nce": request.include_t1nce, "--copy": request.copy}
    words += [flag for flag, is_given in flags.items() if is_given]
    return shlex.join(map(str, words))
