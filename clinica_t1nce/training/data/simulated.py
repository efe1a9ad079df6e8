"""Label maps, prepared once and kept on disk, and pairs simulated from them: patches, or heads."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clinica_t1nce.errors import TrainingError, naming
from clinica_t1nce.files import nifti
from clinica_t1nce.simulation import label_maps as maps
from clinica_t1nce.simulation.anatomy import Anatomy, prepare_anatomy
from clinica_t1nce.simulation.gadolinium import USUAL, Gadolinium
from clinica_t1nce.simulation.simulator import render, sample_recipe, simulate
from clinica_t1nce.training.data.numbered import Batch, seed_of
from clinica_t1nce.training.data.preparation import save_array, volume_for, whole

PREPARATION = 3
"""Version of :func:`~clinica_t1nce.simulation.anatomy.prepare_anatomy`: counted up when that
changes."""

logger = logging.getLogger("clinica_t1nce")

_WHITE_BY, _ENOUGH = 0.12, 200
"""How far from 1 white matter lies; voxels of it that a median needs."""


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
        Label maps, as :func:`clinica_t1nce.simulation.label_maps.read_label_map` takes them.
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
    labels = maps.read_label_map(path).data.astype(np.int32)
    with naming(path):
        anatomy = prepare_anatomy(labels)
    save_array(prepared, anatomy.stacked())


class SimulatedPatches:
    """Patches at 1 mm, white matter at about 1: what ``change-unet`` is trained on.

    Parameters
    ----------
    anatomies
        Anatomies to draw from.
    shape
        Shape of the patches, D, H, W.
    seed
        Seed of the random stream.
    gadolinium
        Ranges of injection and effects.
    """

    epoch = None

    def __init__(
        self,
        anatomies: Sequence[Anatomy],
        shape: Sequence[int],
        seed: int,
        gadolinium: Gadolinium = USUAL,
    ):
        self.gadolinium = gadolinium
        self.anatomies = anatomies
        self.shape = tuple(shape)
        self.seed = seed

    def pair(self, number: int) -> Batch:
        """Draw pair `number`."""
        seed = seed_of(self.seed, number)
        drawn = simulate(self.anatomies, seed, self.shape, gadolinium=self.gadolinium)
        return {
            "t1ce": drawn.t1ce,
            "t1nce": level(drawn.t1ce, drawn.t1nce, drawn.intracranial),
            "mask": drawn.mask,
            "intracranial": drawn.intracranial,
        }


def level(t1ce: torch.Tensor, t1nce: torch.Tensor, intracranial: torch.Tensor) -> torch.Tensor:
    """Bring the white matter of a T1nce to that of the T1ce, as the fit of real pairs does.

    The blood of white matter enhances by some per cent everywhere. In real pairs nobody can tell
    that from the scanner's gain; a network that learnt it from simulated ones would darken all
    tissue of real images.

    Parameters
    ----------
    t1ce, t1nce
        Images of any shape, white matter at about 1.
    intracranial
        Boolean mask of the same shape, in which the gain is estimated and applied.

    Returns
    -------
    torch.Tensor
        The T1nce times one factor inside the skull, nowhere above the T1ce there.
    """
    white = intracranial & ((t1nce - 1).abs() < _WHITE_BY)
    if white.sum() < _ENOUGH:
        return t1nce
    gain = (t1ce[white] / t1nce[white]).median().clamp(min=1)
    return torch.where(intracranial, torch.minimum(t1nce * gain, t1ce.maximum(t1nce)), t1nce)


class SimulatedHeads:
    """Whole heads in t1-linear's field of view, scaled and resampled as a card's input says.

    Parameters
    ----------
    anatomies
        Anatomies to draw from.
    grid
        Shape that the network works on, D, H, W.
    scaling
        Scaling of each image by itself, as :func:`clinica_t1nce.volumes.intensity.measure`
        takes it.
    seed
        Seed of the random stream.
    shape
        Shape of what is simulated, in voxels of 1 mm.
    fitted
        Whether the T1nce is brought to the T1ce's intensities, as that of a fitted real pair; else
        each image is scaled by itself, as the paper does.
    """

    epoch = None

    def __init__(
        self,
        anatomies: Sequence[Anatomy],
        grid: Sequence[int],
        scaling: Mapping[str, Any],
        seed: int,
        shape: Sequence[int] = nifti.CROP_SHAPE,
        fitted: bool = False,
    ):
        self.anatomies = anatomies
        self.fitted = fitted
        self.grid = tuple(grid)
        self.scaling = scaling
        self.seed = seed
        self.shape = tuple(shape)

    def pair(self, number: int) -> Batch:
        """Draw pair `number`."""
        rng = np.random.default_rng(seed_of(self.seed, number))
        anatomy = self.anatomies[int(rng.integers(len(self.anatomies)))]
        recipe = sample_recipe(rng, anatomy, self.shape)
        # A crop of t1-linear has the head in its middle, give or take some voxels.
        jitter = rng.integers(-5, 6, 3)
        centre = tuple(
            side // 2 + int(shift) for side, shift in zip(anatomy.tissue.shape, jitter, strict=True)
        )
        drawn = render(recipe.about(centre), anatomy, self.shape)
        t1nce = drawn.t1nce
        if self.fitted:
            t1nce = level(drawn.t1ce, t1nce, drawn.intracranial)
        x, y = (image[0].numpy() for image in (drawn.t1ce, t1nce))
        return whole(
            volume_for(x, self.grid, self.scaling),
            volume_for(y, self.grid, self.scaling, x if self.fitted else None),
        )
