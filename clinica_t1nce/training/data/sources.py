"""The sources of pairs: real images, T1nce alone, label maps to simulate from, and mixtures."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from clinica_t1nce.bids.pairs import PairFiles
from clinica_t1nce.errors import TrainingError
from clinica_t1nce.files import atomic
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.registry import BRIGHT_TISSUE
from clinica_t1nce.training.data.fitted_pairs import FittedPair, FittedPairCache
from clinica_t1nce.training.data.numbered import Apart, Fixed, Mixture, Source
from clinica_t1nce.training.data.preparation import digest, in_parallel, save_array
from clinica_t1nce.training.data.real import FittedVolumes, RealPatches, RealVolumes
from clinica_t1nce.training.data.simulated import (
    SimulatedHeads,
    SimulatedPatches,
    find_label_maps,
    load_anatomies,
)
from clinica_t1nce.training.data.surroundings import SimulatedSurroundings
from clinica_t1nce.training.data.variation import Augmentation, Variation
from clinica_t1nce.training.data.volume_pairs import VolumeCache, VolumePairs
from clinica_t1nce.training.pictures import draw_contact_sheet
from clinica_t1nce.training.settings import Settings

VALIDATION_SEED = 999_983
"""Seed of the pairs that are simulated to validate on."""

_VALIDATION_PAIRS = 16

logger = logging.getLogger("clinica_t1nce")


class Loaded(NamedTuple):
    """Sources of a training's pairs."""

    training: Source
    validation: Source | None


class Data(Protocol):
    """Where a run's pairs come from."""

    def identity(self) -> dict[str, Any]:
        """Return what tells these data from others, fit for JSON: a resumed run has the same."""

    def description(self) -> str:
        """Describe the data in words, for a card; without names of people or folders."""

    def load(self, card: Card, settings: Settings, output: Path, workers: int) -> Loaded:
        """Prepare what is not there yet.

        Raises
        ------
        TrainingError
            If images cannot be used, or not with these settings.
        LabelMapError
            If a label map cannot be used.
        OutputError
            If the disk has too little space.
        """


@dataclass(frozen=True)
class RealPairs:
    """Real images.

    Attributes
    ----------
    training, validation
        Files to train and to validate on.
    cache
        Folder for prepared volumes; None: in the run's.
    paired
        Whether the images of an item belong together.
    label_maps
        Folder of whole-head label maps, ``*_dseg.nii.gz``, from which heads are simulated around
        skull-stripped pairs; None: none are.
    """

    training: Sequence[PairFiles]
    validation: Sequence[PairFiles] = ()
    cache: Path | None = None
    paired: bool = True
    label_maps: Path | None = None

    def identity(self) -> dict[str, Any]:
        """Count the pairs, and give a digest of their names."""
        named = [[pair.name for pair in pairs] for pairs in (self.training, self.validation)]
        counts = {"training": len(self.training), "validation": len(self.validation)}
        return {**counts, "pairs": digest(named)[:16]}

    def description(self) -> str:
        """Count the pairs."""
        kind = "pairs" if self.paired else "visits with unpaired images"
        return f"{len(self.training)} real {kind}"

    def load(self, card: Card, settings: Settings, output: Path, workers: int) -> Loaded:
        """Prepare the volumes that are not there yet."""
        if card.grid is None and self.paired:
            return self._load_patches(card, settings, output, workers)
        if settings.fit and self.paired:
            return self._load_fitted(card, settings, output, workers)
        cache = VolumeCache(self.cache or output / "cache", card.grid, card.scaling)
        validation = [p for p in self.validation if p.t1ce is not None and p.t1nce is not None]
        validation = validation[: settings.validation_pairs]
        cache.fill([*self.training, *validation], workers)
        patch = settings.patch if card.grid is None else None
        t1ce, t1nce = _prepared(cache, self.training)
        if not t1ce or not t1nce:
            raise TrainingError("the table has no T1ce or no T1nce to train on; complete it")
        training = VolumePairs(
            t1ce,
            t1nce,
            seed=settings.seed,
            patch=patch,
            augmentation=Augmentation() if settings.augment else None,
            paired=self.paired,
        )
        if not validation:
            return Loaded(training, None)
        return Loaded(training, VolumePairs(*_prepared(cache, validation), seed=None, patch=patch))

    def _load_patches(self, card: Card, settings: Settings, output: Path, workers: int) -> Loaded:
        kept, held_out = self._fit(card.scaling, settings, output, workers)
        surroundings = None
        if self.label_maps is not None and settings.in_heads > 0:
            anatomies = load_anatomies(find_label_maps(self.label_maps), output / "heads")
            surroundings = SimulatedSurroundings(anatomies)
        training = RealPatches(
            kept,
            settings.seed,
            settings.patch,
            settings.t1nce_share,
            Variation() if settings.augment else None,
            surroundings,
            settings.in_heads,
        )
        volumes = RealVolumes(held_out, card.input.multiple, surroundings) if held_out else None
        return Loaded(training, volumes)

    def _load_fitted(self, card: Card, settings: Settings, output: Path, workers: int) -> Loaded:
        assert card.grid is not None
        kept, held_out = self._fit(BRIGHT_TISSUE, settings, output, workers)
        variation = Variation() if settings.augment else None
        common = card.grid, card.scaling
        training = FittedVolumes(kept, *common, settings.seed, settings.t1nce_share, variation)
        return Loaded(training, FittedVolumes(held_out, *common, None) if held_out else None)

    def _fit(
        self, scaling: Mapping[str, Any], settings: Settings, output: Path, workers: int
    ) -> tuple[list[FittedPair], list[FittedPair]]:
        """Fit each T1nce to its T1ce; name the pairs that cannot be trained on, and show all."""
        cache = FittedPairCache(self.cache or output / "cache", scaling)
        validation = self.validation[: settings.validation_pairs]
        pairs = [*self.training, *validation]
        problems = cache.fill(pairs, workers)
        usable = {pair.name: cache.load(pair) for pair in pairs if pair.name not in problems}
        draw_contact_sheet(output / "real_pairs.png", usable, problems)
        for name, problem in problems.items():
            logger.warning("left out: %s: %s", name, problem)
        kept, held_out = (
            [usable[pair.name] for pair in part if pair.name in usable]
            for part in (self.training, validation)
        )
        if not kept:
            raise TrainingError(
                f"none of {len(self.training)} real pairs can be trained on "
                f"({next(iter(problems.values()))}); correct them, or give others"
            )
        return kept, held_out


@dataclass(frozen=True)
class PlainT1nce:
    """T1nce without a T1ce, from which nothing is to be removed.

    Attributes
    ----------
    images
        Files of the images.
    cache
        Folder for prepared volumes; None: in the run's.
    """

    images: Sequence[Path]
    cache: Path | None = None

    def identity(self) -> dict[str, Any]:
        """Count the images, and give a digest of their names."""
        names = [path.name for path in self.images]
        return {"t1nce": len(self.images), "names": digest(names)[:16]}

    def description(self) -> str:
        """Count the images."""
        return f"{len(self.images)} real T1nce alone"

    def load(self, card: Card, settings: Settings, output: Path, workers: int) -> Loaded:
        """Prepare the volumes that are not there yet."""
        cache = VolumeCache(self.cache or output / "cache", card.grid, card.scaling)
        cache.fill([PairFiles(path.name, None, path) for path in self.images], workers)
        paths = [cache.path(path) for path in self.images]
        patch = settings.patch if card.grid is None else None
        augmentation = Augmentation() if settings.augment else None
        return Loaded(VolumePairs(paths, paths, settings.seed, patch, augmentation), None)


@dataclass(frozen=True)
class Mixed:
    """Several sources in one training.

    Attributes
    ----------
    sources
        Sources by name, such as ``real``, ``simulated`` and ``t1nce``.
    parts
        Pairs of each in a round, by the same names.
    """

    sources: Mapping[str, "Data"]
    parts: Mapping[str, int]

    def identity(self) -> dict[str, Any]:
        """Join those of the sources."""
        each = {name: source.identity() for name, source in self.sources.items()}
        return {**each, "parts": dict(self.parts)}

    def description(self) -> str:
        """Join those of the sources."""
        total = sum(self.parts[name] for name in self.sources)
        return "; ".join(
            f"{source.description()} ({self.parts[name]} of {total} pairs)"
            for name, source in self.sources.items()
        )

    def load(self, card: Card, settings: Settings, output: Path, workers: int) -> Loaded:
        """Load each; the first that has pairs to validate on is validated on."""
        loaded = {
            name: source.load(card, settings, output, workers)
            for name, source in self.sources.items()
        }
        validation = next((each.validation for each in loaded.values() if each.validation), None)
        mixture = Mixture({name: each.training for name, each in loaded.items()}, self.parts)
        return Loaded(mixture, validation)


def _prepared(cache: VolumeCache, pairs: Sequence[PairFiles]) -> tuple[list[Path], list[Path]]:
    t1ce = [cache.path(pair.t1ce) for pair in pairs if pair.t1ce is not None]
    t1nce = [cache.path(pair.t1nce) for pair in pairs if pair.t1nce is not None]
    return t1ce, t1nce


@dataclass(frozen=True)
class LabelMaps:
    """Pairs simulated from label maps.

    Attributes
    ----------
    folder
        Folder of the label maps, ``*_dseg.nii.gz``.
    pairs
        Number of whole heads that are simulated once and kept on disk; None: new ones without
        end.
    """

    folder: Path
    pairs: int | None = None

    def identity(self) -> dict[str, Any]:
        """Count the label maps, and give a digest of their names."""
        names = [path.name for path in find_label_maps(self.folder)]
        return {"label_maps": len(names), "names": digest(names)[:16], "pairs": self.pairs}

    def description(self) -> str:
        """Count the label maps."""
        return f"pairs simulated from {len(find_label_maps(self.folder))} label maps"

    def load(self, card: Card, settings: Settings, output: Path, workers: int) -> Loaded:
        """Prepare the label maps that are not there yet, and the pairs to validate on."""
        if card.grid is None and self.pairs is not None:
            raise TrainingError(
                f"{settings.architecture} trains on patches, which are simulated without end: "
                "leave --pairs out and say how long with --steps"
            )
        unpaired = settings.method == "unpaired"
        torn = Apart if unpaired else lambda source: source
        anatomies = load_anatomies(find_label_maps(self.folder), output / "heads")
        n_validation = settings.validation_pairs or _VALIDATION_PAIRS
        if card.grid is None:
            shape = (settings.patch,) * 3
            patches = SimulatedPatches(anatomies, shape, settings.seed)
            validation = Fixed(SimulatedPatches(anatomies, shape, VALIDATION_SEED), n_validation)
            return Loaded(torn(patches), validation)
        # Of different people, neither sets the other's scale.
        fitted = settings.fit and not unpaired
        training, held_out = (
            SimulatedHeads(anatomies, card.grid, card.scaling, seed, fitted=fitted)
            for seed in (settings.seed, VALIDATION_SEED)
        )
        name = digest(self.identity(), settings.seed, card.input.to_dict(), fitted)[:16]
        folder = output / "simulated" / name
        kept = store(held_out, n_validation, folder, "validation", workers)
        if self.pairs is None:
            return Loaded(torn(training), VolumePairs(*kept, seed=None))
        pairs = store(training, self.pairs, folder, "training", workers)
        drawn = VolumePairs(*pairs, seed=settings.seed, paired=not unpaired)
        return Loaded(drawn, VolumePairs(*kept, seed=None))


def store(
    source: SimulatedHeads, size: int, folder: Path, name: str, workers: int
) -> tuple[list[Path], list[Path]]:
    """Write the first pairs of a source to disk, those that are not there yet.

    Returns
    -------
    t1ce, t1nce : list of Path
        Files for :class:`~clinica_t1nce.training.data.volume_pairs.VolumePairs`.
    """
    files = [
        [folder / f"{name}-{number:06d}_{side}.npy" for side in ("t1ce", "t1nce")]
        for number in range(size)
    ]
    missing = [n for n, pair in enumerate(files) if not all(path.exists() for path in pair)]
    atomic.check_space(folder, 8 * int(np.prod(source.grid)) * len(missing), "simulated pairs")
    made = in_parallel(source.pair, missing, workers)
    for done, (number, batch) in enumerate(zip(missing, made, strict=True), start=1):
        for path, side in zip(files[number], ("t1ce", "t1nce"), strict=True):
            save_array(path, batch[side][0].numpy())
        if done % 10 == 0 or done == len(missing):
            logger.info("simulated %d of %d pairs (%s)", done, len(missing), name)
    return [pair[0] for pair in files], [pair[1] for pair in files]
