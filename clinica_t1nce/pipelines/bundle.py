"""Weights as a MONAI bundle, which is a Hugging Face repository as well."""

from pathlib import Path
from typing import Any

import clinica_t1nce
from clinica_t1nce.errors import OutputError
from clinica_t1nce.files import atomic
from clinica_t1nce.files.text import as_json, parse_json, write_text
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.storage import load_generator

MODEL = "models/model.ts"

_FILES = Path(__file__).with_name("bundle_files")
"""Texts of a bundle, as far as they are the same for all weights."""


def export(model: str, out: Path) -> list[Path]:
    """Write weights as a bundle.

    Parameters
    ----------
    model
        Name or file of weights.
    out
        Folder to make.

    Returns
    -------
    list of pathlib.Path
        Files that were written.

    Raises
    ------
    WeightsError
        If the weights cannot be exported.
    OutputError
        If the folder holds files already, or cannot be written.
    """
    from clinica_t1nce.synthesis.scripted import script

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: is there already; give a new folder")
    module, card = load_generator(model)
    scripted = script(module, card)
    with atomic.temporary(out / MODEL) as part:
        scripted.save(str(part))
    texts = {
        "configs/metadata.json": as_json(_metadata(card)),
        "configs/inference.json": _read_file("inference.json"),
        "docs/README.md": _readme(card),
        "README.md": _front_matter(card) + _readme(card),
        "LICENSE": f"{card.licence or 'not stated'}\n",
    }
    for name, text in texts.items():
        write_text(out / name, text)
    return [out / MODEL, *(out / name for name in texts)]


def _read_file(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")


def _metadata(card: Card) -> dict[str, Any]:
    import torch

    version = clinica_t1nce.__version__
    return parse_json(_read_file("metadata.json")) | {
        "version": version,
        "changelog": {version: f"exported from {card.name}"},
        "pytorch_version": torch.__version__.partition("+")[0],
        "name": card.name,
        "copyright": card.licence,
        "weights_sha256": card.sha256,
    }


def _front_matter(card: Card) -> str:
    licence = card.licence.lower() or "other"
    return (
        f"---\nlicense: {licence}\nlibrary_name: monai\npipeline_tag: image-to-image\n"
        "tags:\n- medical\n- mri\n- brain\n- gadolinium\n---\n\n"
    )


def _readme(card: Card) -> str:
    return _read_file("README.md").format(
        card=card,
        version=clinica_t1nce.__version__,
        model=MODEL,
        data=card.training.get("data", "not stated"),
    )
