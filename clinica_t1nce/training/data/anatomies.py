"""Label maps prepared for simulation, kept on disk so that this is done once."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clinica_t1nce.errors import LabelMapError, TrainingError
from clinica_t1nce.simulation import label_maps as maps
from clinica_t1nce.simulation.anatomy import Anatomy, prepare
from clinica_t1nce.training.data.preparation import save_array

PREPARATION = 3
"""Version of :func:`~clinica_t1nce.simulation.anatomy.prepare`: counted up when that changes."""

logger = logging.getLogger("clinica_t1nce")


def find_label_maps(folder: Path) -> list[Path]:
    """Return the label maps of a folder, ``*_dseg.nii.gz``, in order.

    Raises
    ------
    TrainingError
        If there is none.
    """
    found = sorted(folder.glob("*_dseg.nii.gz")) + sorted(folder.glob("*_dseg.nii"))
    if not found:
        raise TrainingError(f"{folder}: no label map named *_dseg.nii.gz in this folder")
    return found


def load_anatomies(label_maps: Sequence[Path], cache: Path) -> list[Anatomy]:
    """Prepare each label map, or take it from `cache` when its content is there already.

    Parameters
    ----------
    label_maps
        Label maps, as :func:`clinica_t1nce.simulation.label_maps.read` takes them.
    cache
        Folder for the prepared anatomies, about 35 MB each; made if missing.

    Returns
    -------
    list of Anatomy
        Anatomies, memory-mapped: many workers share one copy.
    """
    cache.mkdir(parents=True, exist_ok=True)
    anatomies = []
    for number, path in enumerate(label_maps, 1):
        content = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        prepared = cache / f"{content}-{PREPARATION}.npy"
        if not prepared.exists():
            logger.info("preparing head %d of %d: %s", number, len(label_maps), path.name)
            _prepare_file(path, prepared)
        anatomies.append(Anatomy.from_stacked(np.load(prepared, mmap_mode="c")))
    return anatomies


def _prepare_file(path: Path, prepared: Path) -> None:
    labels = maps.read(path).data.astype(np.int32)
    try:
        anatomy = prepare(labels)
    except LabelMapError as error:
        raise LabelMapError(f"{path}: {error}") from error
    save_array(prepared, anatomy.stacked())
