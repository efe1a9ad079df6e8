"""Pairs of whole heads on disk, as a BIDS data set."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clinica_t1nce import __version__
from clinica_t1nce.errors import OutputError, T1nceError, naming
from clinica_t1nce.files import nifti
from clinica_t1nce.files.text import as_json, find_json, table_text, write_text
from clinica_t1nce.simulation import label_maps as maps
from clinica_t1nce.simulation.anatomy import Anatomy, find_surfaces
from clinica_t1nce.simulation.gadolinium import USUAL, Gadolinium
from clinica_t1nce.simulation.scanner import Stripping
from clinica_t1nce.simulation.simulator import (
    Recipe,
    SimulatedPair,
    numbers_of,
    render,
    sample_recipe,
)

WHITE_MATTER = 1000
"""What 1, white matter before gadolinium and gain, is on disk."""

_SLOWER = 3
_UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

logger = logging.getLogger("clinica_t1nce")


@dataclass(frozen=True)
class SimulationSettings:
    """How the pairs of a data set are drawn.

    Attributes
    ----------
    seed
        Seed of all pairs: pair number n of a seed is always the same.
    preset
        Quality of the images, a key of
        :data:`clinica_t1nce.simulation.simulator.PRESETS`.
    second_scan
        Whether the T1nce is a scan of its own rather than the T1ce's twin.
    head
        Extent of the images: ``"whole"``, ``"stripped"`` or ``"any"``, every other one stripped.
    in_place
        Whether the head is neither turned nor bent, and its sulci and ventricles as wide as they
        are: the label map fits the images.
    """

    seed: int = 0
    preset: str = "varied"
    second_scan: bool = False
    head: str = "any"
    in_place: bool = False


@dataclass(frozen=True)
class SimulatedFiles:
    """Where one pair lies, each image with a sidecar."""

    t1nce: Path
    t1ce: Path

    @classmethod
    def of(cls, root: Path, number: int) -> "SimulatedFiles":
        """Name the files of pair `number`, counted from 0."""
        subject = f"sub-sim{number + 1:04d}"
        folder = root / subject
        return cls(
            folder / "ses-M000" / "anat" / f"{subject}_ses-M000_T1w.nii.gz",
            folder / "ses-M000ce" / "anat" / f"{subject}_ses-M000ce_ce-gadolinium_T1w.nii.gz",
        )

    @property
    def complete(self) -> bool:
        """Whether all is there; the T1ce's sidecar is written last."""
        return all(path.exists() and sidecar(path).exists() for path in (self.t1nce, self.t1ce))


def head_recipe(
    rng: np.random.Generator,
    anatomy: Anatomy,
    settings: SimulationSettings,
    gadolinium: Gadolinium = USUAL,
) -> Recipe:
    """Draw a recipe for a whole head on its own grid, with gadolinium."""
    shape = anatomy.tissue.shape
    recipe = sample_recipe(rng, anatomy, shape, settings.preset, settings.second_scan, gadolinium)
    middle = [(n - 1) / 2 for n in shape]
    # Bends as slow as heads differ: those of patches would make a whole head wobble.
    bend_spacing = _SLOWER * recipe.placement.bend_spacing
    upright: dict[str, Any] = {}
    if settings.in_place:
        upright = {"matrix": _UPRIGHT, "bend": 0.0, "narrowing": (0.0, 0.0)}
    recipe = recipe.about(middle, bend_spacing=bend_spacing, **upright)
    stripping, second = recipe.stripping, recipe.second
    if settings.head == "whole":
        stripping = None
        second = replace(second, stripping=None) if second else None
    elif settings.head == "stripped":
        stripping = stripping or Stripping.draw(rng)
        second = replace(second, stripping=second.stripping or stripping) if second else None
    return replace(
        recipe,
        stripping=stripping,
        defacing=None if stripping else recipe.defacing,
        # A head that stands in its place is there as a whole.
        field_of_view=None if settings.in_place else recipe.field_of_view,
        second=second,
        enhanced=True,
    )


def simulate_head(
    anatomy: Anatomy,
    number: int,
    settings: SimulationSettings,
    device: torch.device | str = "cpu",
    gadolinium: Gadolinium = USUAL,
) -> tuple[Recipe, SimulatedPair]:
    """Make pair `number` of a whole head, on the grid of `anatomy`, always with gadolinium."""
    rng = np.random.default_rng([settings.seed, number])
    recipe = head_recipe(rng, anatomy, settings, gadolinium)
    return recipe, render(recipe, anatomy, anatomy.tissue.shape, device)


def read_anatomy(path: Path, table: maps.LabelTable | None = None) -> tuple[nifti.Image, Anatomy]:
    """Read a label map and find its surfaces, on its whole grid.

    Raises
    ------
    LabelMapError, ImageError
        If :func:`clinica_t1nce.simulation.label_maps.read_label_map` raises it, or no brain is
        found.
    """
    image = maps.read_label_map(path, table)
    with naming(path):
        anatomy = find_surfaces(image.data.astype(np.int32))
    return image, anatomy


def write_pair(
    files: SimulatedFiles,
    image: nifti.Image,
    recipe: Recipe,
    pair: SimulatedPair,
    settings: SimulationSettings,
    number: int,
) -> None:
    """Write a pair and its recipe on the grid of a label map.

    Intensities are ``int16``; white matter is about :data:`WHITE_MATTER`.
    """
    t1nce = pair.t1nce if pair.second_t1nce is None else pair.second_t1nce
    shared = {
        "Synthetic": True,
        "Sources": [image.path.name],
        "GeneratedBy": [{"Name": "clinica-t1nce", "Version": __version__}],
        "Simulation": {"Pair": number, **asdict(settings), "Recipe": numbers_of(recipe)},
    }
    gadolinium = {"ContrastBolusIngredient": "GADOLINIUM"}
    for path, volume, extra in ((files.t1nce, t1nce, {}), (files.t1ce, pair.t1ce, gadolinium)):
        stored = (volume[0].cpu() * WHITE_MATTER).round().clamp(0, 32767).numpy()
        nifti.save(path, stored, image, dtype=np.int16)
        write_text(sidecar(path), as_json({"Modality": "MR", **extra, **shared}))


def write_dataset(
    label_maps: Sequence[Path],
    output: Path,
    pairs: int,
    settings: SimulationSettings,
    table: maps.LabelTable | None = None,
    device: torch.device | str = "cpu",
    overwrite: bool = False,
) -> list[str]:
    """Simulate `pairs` pairs, from each label map in turn, and write them as BIDS.

    What is there already is left: a run that was killed finishes what is missing.

    Parameters
    ----------
    label_maps
        Label maps, as :func:`clinica_t1nce.simulation.label_maps.read_label_map` takes them.
    output
        Folder of the data set: T1nce in ``ses-M000``, T1ce in ``ses-M000ce``, a recipe beside each.
    pairs
        Number of pairs in all.
    settings
        Settings of the pairs.
    table
        Table of labels, see :func:`clinica_t1nce.simulation.label_maps.read_label_table`.
    device
        Device that computes.
    overwrite
        Whether to make again what is there.

    Returns
    -------
    list of str
        One line for each label map that could not be used; the others are done.

    Raises
    ------
    OutputError
        If the folder cannot be written, or holds something else.
    """
    _begin(output, label_maps, pairs, settings, overwrite)
    failures = []
    for first, path in enumerate(label_maps):
        numbers = range(first, pairs, len(label_maps))
        missing = [n for n in numbers if overwrite or not SimulatedFiles.of(output, n).complete]
        if not missing:
            continue
        try:
            image, anatomy = read_anatomy(path, table)
        except T1nceError as error:
            failures.append(str(error))
            continue
        for number in missing:
            recipe, pair = simulate_head(anatomy, number, settings, device)
            files = SimulatedFiles.of(output, number)
            write_pair(files, image, recipe, pair, settings, number)
            logger.info("pair %d of %d: %s", number + 1, pairs, files.t1ce.name)
    return failures


def _begin(
    output: Path,
    label_maps: Sequence[Path],
    pairs: int,
    settings: SimulationSettings,
    overwrite: bool,
) -> None:
    """Describe the data set, or check that the folder holds this one."""
    description = output / "dataset_description.json"
    wanted = {**asdict(settings), "label_maps": [path.name for path in label_maps]}
    if description.exists() and not overwrite:
        found = (find_json(description) or {}).get("Simulation")
        if found != wanted:
            raise OutputError(
                f"{output}: holds another data set, or pairs of other settings; name another "
                "folder, or repeat the command of that data set"
            )
    elif output.exists() and any(output.iterdir()) and not description.exists():
        raise OutputError(f"{output}: is not empty and no simulated data set; name a new folder")
    content = {
        "Name": "Simulated T1ce and T1nce",
        "BIDSVersion": "1.9.0",
        "DatasetType": "raw",
        "License": "that of the label maps",
        "GeneratedBy": [{"Name": "clinica-t1nce", "Version": __version__}],
        "Simulation": wanted,
    }
    write_text(description, as_json(content))
    rows = [
        {
            "participant_id": f"sub-sim{n + 1:04d}",
            "label_map": label_maps[n % len(label_maps)].name,
            "session_id_t1nce": "ses-M000",
            "session_id_t1ce": "ses-M000ce",
        }
        for n in range(pairs)
    ]
    tables = {
        "participants.tsv": ("participant_id", "label_map"),
        "pairs.tsv": ("participant_id", "session_id_t1nce", "session_id_t1ce"),
    }
    for name, columns in tables.items():
        write_text(output / name, table_text(rows, columns))
    write_text(output / ".bidsignore", "pairs.tsv\n")
    write_text(
        output / "README",
        "Simulated from label maps by clinica-t1nce: T1nce in ses-M000, T1ce in ses-M000ce.\n"
        "No image of a person is in it. The JSON beside each image holds its recipe.\n",
    )


def sidecar(path: Path) -> Path:
    """Name the JSON beside an image."""
    return path.with_name(path.name.removesuffix(".nii.gz") + ".json")
