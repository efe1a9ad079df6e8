"""The sources of pairs: real images, T1nce alone, label maps to simulate from, and mixtures."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch.utils.data import DataLoader, Subset

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.files import atomic
from clinica_t1nce.models.cards import Card
from clinica_t1nce.training.contact_sheet import draw_contact_sheet
from clinica_t1nce.training.data.anatomies import find_label_maps, load_heads
from clinica_t1nce.training.data.augmentation import Augmentation
from clinica_t1nce.training.data.mixture import Mixture
from clinica_t1nce.training.data.numbered import Apart, Batch, Fixed, Numbered, Source
from clinica_t1nce.training.data.real import PairCache, RealPatches, RealVolumes
from clinica_t1nce.training.data.simulated import SimulatedHeads, SimulatedPatches
from clinica_t1nce.training.data.variation import Variation
from clinica_t1nce.training.data.volume_pairs import Cache, PairFiles, VolumePairs
from clinica_t1nce.training.settings import Settings

VALIDATION_SEED = 999_983
"""Of the pairs that are simulated to validate on."""

_VALIDATION_PAIRS = 16

logger = logging.getLogger("clinica_t1nce")


class Loaded(NamedTuple):
    """What a training takes its pairs from."""

    training: Source
    validation: Source | None


class Data(Protocol):
    """Where a run's pairs come from."""

    def identity(self) -> dict[str, Any]:
        """Say what the data are, so that a run that goes on is known to have the same; JSON."""

    def description(self) -> str:
        """Say it in words, for a card; without names of people or folders."""

    def load(self, card: Card, settings: Settings, output: Path, workers: int) -> Loaded:
        """Make ready."""


@dataclass(frozen=True)
class RealPairs:
    """Real images.

    Attributes
    ----------
    training, validation
        Their files.
    cache
        Folder for prepared volumes; None: in the run's.
    paired
        Whether the images of an item belong together.
    """

    training: Sequence[PairFiles]
    validation: Sequence[PairFiles] = ()
    cache: Path | None = None
    paired: bool = True

    def identity(self) -> dict[str, Any]:
        """Count the pairs, and give a digest of their names."""
        named = [[pair.name for pair in pairs] for pairs in (self.training, self.validation)]
        counts = {"training": len(self.training), "validation": len(self.validation)}
        return {**counts, "pairs": _digest(named)}

    def description(self) -> str:
        """Count the pairs."""
        kind = "pairs" if self.paired else "visits with unpaired images"
        return f"{len(self.training)} real {kind}"

    def load(self, card: Card, settings: Settings, output: Path, workers: int) -> Loaded:
        """Prepare the volumes that are not there yet.

        Raises
        ------
        TrainingError
            If images cannot be used.
        OutputError
            If the disk has too little space.
        """
        if card.grid is None and self.paired:
            return self._load_patches(card, settings, output, workers)
        cache = Cache(self.cache or output / "cache", card.grid, card.scaling)
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
        """Fit each T1nce to its T1ce; name the pairs that cannot be trained on, and show all."""
        cache = PairCache(self.cache or output / "cache", card.scaling)
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
                f"({next(iter(problems.values()))}); mend them, or give others"
            )
        training = RealPatches(
            kept,
            settings.seed,
            settings.patch,
            settings.t1nce_share,
            Variation() if settings.augment else None,
        )
        volumes = RealVolumes(held_out, card.multiple) if held_out else None
        return Loaded(training, volumes)


@dataclass(frozen=True)
class PlainT1nce:
    """T1nce without a T1ce, from which nothing is to be removed.

    Attributes
    ----------
    images
        Files.
    cache
        Folder for prepared volumes; None: in the run's.
    """

    images: Sequence[Path]
    cache: Path | None = None

    def identity(self) -> dict[str, Any]:
        """Count the images, and give a digest of their names."""
        return {"t1nce": len(self.images), "names": _digest([path.name for path in self.images])}

    def description(self) -> str:
        """Count the images."""
        return f"{len(self.images)} real T1nce alone"

    def load(self, card: Card, settings: Settings, output: Path, workers: int) -> Loaded:
        """Prepare the volumes that are not there yet.

        Raises
        ------
        TrainingError
            If images cannot be used.
        OutputError
            If the disk has too little space.
        """
        cache = Cache(self.cache or output / "cache", card.grid, card.scaling)
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
        """Load each; the first that has pairs to validate on is validated on.

        Raises
        ------
        T1nceError
            As the sources; TrainingError also if the parts do not name the sources.
        """
        loaded = {
            name: source.load(card, settings, output, workers)
            for name, source in self.sources.items()
        }
        validation = next((each.validation for each in loaded.values() if each.validation), None)
        mixture = Mixture({name: each.training for name, each in loaded.items()}, self.parts)
        return Loaded(mixture, validation)


def _prepared(cache: Cache, pairs: Sequence[PairFiles]) -> tuple[list[Path], list[Path]]:
    t1ce = [cache.path(pair.t1ce) for pair in pairs if pair.t1ce is not None]
    t1nce = [cache.path(pair.t1nce) for pair in pairs if pair.t1nce is not None]
    return t1ce, t1nce


@dataclass(frozen=True)
class LabelMaps:
    """Pairs simulated from label maps.

    Attributes
    ----------
    folder
        Of the label maps, ``*_dseg.nii.gz``.
    pairs
        Simulate so many whole heads once and keep them on disk; None: new ones without end.
    """

    folder: Path
    pairs: int | None = None

    def identity(self) -> dict[str, Any]:
        """Count the label maps, and give a digest of their names."""
        names = [path.name for path in find_label_maps(self.folder)]
        return {"label_maps": len(names), "names": _digest(names), "pairs": self.pairs}

    def description(self) -> str:
        """Count the label maps."""
        return f"pairs simulated from {len(find_label_maps(self.folder))} label maps"

    def load(self, card: Card, settings: Settings, output: Path, workers: int) -> Loaded:
        """Prepare the label maps that are not there yet, and the pairs to validate on.

        Raises
        ------
        LabelMapError
            If a label map cannot be used.
        TrainingError
            If a number of pairs is asked for of patches.
        """
        if card.grid is None and self.pairs is not None:
            raise TrainingError(
                f"{settings.architecture} trains on patches, which are simulated without end: "
                "leave --pairs out and say how long with --steps"
            )
        unpaired = settings.method == "unpaired"
        torn = Apart if unpaired else lambda source: source
        heads = load_heads(find_label_maps(self.folder), output / "heads")
        n_validation = settings.validation_pairs or _VALIDATION_PAIRS
        if card.grid is None:
            shape = (settings.patch,) * 3
            patches = SimulatedPatches(heads, shape, settings.seed)
            validation = Fixed(SimulatedPatches(heads, shape, VALIDATION_SEED), n_validation)
            return Loaded(torn(patches), validation)
        training, held_out = (
            SimulatedHeads(heads, card.grid, card.scaling, seed)
            for seed in (settings.seed, VALIDATION_SEED)
        )
        folder = (
            output / "simulated" / _digest(self.identity(), settings.seed, card.input.to_dict())
        )
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
        Their files, for :class:`~clinica_t1nce.training.data.volume_pairs.VolumePairs`.
    """
    files = [
        (folder / f"{name}-{number:06d}_t1ce.npy", folder / f"{name}-{number:06d}_t1nce.npy")
        for number in range(size)
    ]
    missing = [n for n, pair in enumerate(files) if not all(path.exists() for path in pair)]
    atomic.check_space(folder, 8 * int(np.prod(source.grid)) * len(missing), "simulated pairs")
    made = DataLoader(Subset(Numbered(source), missing), batch_size=None, num_workers=workers)
    for done, (number, batch) in enumerate(zip(missing, made, strict=True), start=1):
        _write(batch, files[number])
        if done % 10 == 0 or done == len(missing):
            logger.info("simulated %d of %d pairs (%s)", done, len(missing), name)
    first, second = zip(*files, strict=True) if files else ((), ())
    return list(first), list(second)


def _digest(*content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _write(batch: Batch, files: tuple[Path, Path]) -> None:
    for path, side in zip(files, ("t1ce", "t1nce"), strict=True):
        with atomic.temporary(path) as part, part.open("wb") as file:
            np.save(file, batch[side][0].numpy())
