"""What a run is made of, and the settings that trainings start from."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.models import registry
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.storage import load_generator
from clinica_t1nce.training.modules.generator import Optimisation

METHODS = ("supervised", "adversarial", "unpaired")

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {
        "architecture": "att-unet",
        "batch": 2,
        "rate": 1e-4,
        "final_rate": 1.0,
        "warm_up": 0,
        "beta1": 0.5,
        "beta2": 0.999,
        "decay": 0.0,
        "clip": None,
        "average": 0.0,
        "enhancing_weight": 0.0,
        "keep": "best",
        "epochs": 300,
    },
    # In float32 on a CPU, PyTorch convolves a single small volume in a way that takes several times
    # as long as two of them.
    "change": {"architecture": "change-unet", "batch": 2, "steps": 4000},
    "mixed": {
        "architecture": "change-unet-fill",
        "fit": True,
        "batch": 3,
        "steps": 10000,
        "rate": 5e-4,
        "average": 0.998,
        "enhancing_weight": 1.0,
        "robust_scale": 0.01,
        "distribution": 0.5,
        "augment": True,
    },
}
"""Presets by name: ``paper`` trains as Bottani et al. did (Adam and L1, whole volumes, no
augmentation; with a discriminator batch 1), ``change`` on simulated patches, ``mixed`` on patches
of real and simulated pairs together, as the weights that come with this package were."""


@dataclass(frozen=True)
class Settings:
    """What a run is made of. Written to ``config.json``; a resumed run must ask for the same.

    Attributes
    ----------
    name
        Name of the weights.
    optimisation
        Rates, losses, length.
    architecture
        Key of :data:`clinica_t1nce.models.registry.PRESETS`; None: that of `init`.
    widths
        Channels of the network's levels; None: the architecture's.
    grid
        Side of the cubic grid that the network works on; None: the architecture's.
    patch
        Side of the cubic patches in voxels (mm), of networks without a grid.
    batch, accumulate
        Number of pairs a batch and process, and of batches a step.
    method
        Method, one of :data:`METHODS`.
    augment
        Whether real pairs are varied: patches and fitted volumes by
        :class:`clinica_t1nce.training.data.variation.Variation`, other volumes by
        :class:`clinica_t1nce.training.data.variation.Augmentation`.
    t1nce_share
        Fraction of patches of real pairs in which the T1nce is shown in place of the T1ce.
    fit
        Whether the T1nce of pairs of whole volumes is brought to the T1ce's intensities, smoothly
        in space; else each image is scaled by itself, as the paper does. Patches always are.
    in_heads
        Fraction of patches of skull-stripped real pairs that are set into a simulated head, where
        there are label maps.
    precision
        Precision of Lightning's trainer: ``"bf16-mixed"`` is several times faster where the
        processor computes in bfloat16, and several times slower where it has to imitate it.
    init, discriminator
        Weights to start from, as :func:`clinica_t1nce.models.storage.load_weights` takes them.
    teacher
        Weights that the network learns to imitate, in place of the truth: see
        :class:`clinica_t1nce.training.modules.distillation.DistillationTraining`.
    discriminator_widths
        Channels of the levels of a new discriminator; None: the paper's.
    discriminator_steps
        Number of steps for which it is trained alone; None: a tenth of the training's.
    seed
        Seed of weights, order and pairs.
    validation_pairs
        Number of pairs that are simulated to validate on, or at most used of a table; None: 16,
        or all.
    save_every, validate_every, samples_every
        Steps between checkpoints; steps between validations, None: an epoch, or 500 of an
        endless source; validations between pictures.
    """

    name: str
    optimisation: Optimisation
    architecture: str | None = "change-unet"
    widths: tuple[int, ...] | None = None
    grid: int | None = None
    patch: int = 64
    batch: int = 1
    accumulate: int = 1
    method: str = "supervised"
    augment: bool = False
    fit: bool = False
    t1nce_share: float = 0.15
    in_heads: float = 0.5
    precision: str = "32-true"
    init: str | None = None
    teacher: str | None = None
    discriminator: str | None = None
    discriminator_widths: tuple[int, ...] | None = None
    discriminator_steps: int | None = None
    seed: int = 0
    validation_pairs: int | None = None
    save_every: int = 100
    validate_every: int | None = None
    samples_every: int = 5


def from_preset(preset: str, **given: Any) -> Settings:
    """Take a preset, and change what is given.

    Parameters
    ----------
    preset
        Key of :data:`PRESETS`.
    **given
        Fields of :class:`Settings` and of
        :class:`~clinica_t1nce.training.modules.generator.Optimisation`; None: as the preset has it.

    Raises
    ------
    TrainingError
        If there is no such preset.
    """
    if preset not in PRESETS:
        raise TrainingError(f"unknown preset {preset!r}; known: {', '.join(PRESETS)}")
    wanted = dict(PRESETS[preset])
    given = {name: value for name, value in given.items() if value is not None}
    if given.get("method") in ("adversarial", "unpaired") and preset == "paper":
        wanted["batch"] = 1
    if "steps" in given:
        wanted.pop("epochs", None)
    if "epochs" in given:
        wanted.pop("steps", None)
    if "init" in given and "architecture" not in given:
        wanted["architecture"] = None
    wanted |= given
    optimised = {field.name for field in fields(Optimisation)}
    optimisation = Optimisation(**{k: v for k, v in wanted.items() if k in optimised})
    rest = {k: v for k, v in wanted.items() if k not in optimised}
    return Settings(optimisation=optimisation, **rest)


def card_of(settings: Settings) -> Card:
    """Write the card of the weights to be, and check that they can be trained so.

    Raises
    ------
    WeightsError
        If the architecture or its widths are unknown, or the name cannot be used.
    TrainingError
        If settings contradict each other.
    """
    _check_method(settings)
    if settings.architecture is None:
        card = _card_of_init(settings)
    else:
        network = _network_of(settings, settings.architecture)
        card = Card(name=settings.name, licence="MIT", **network)
    card.check()
    return card


def discriminator_card(card: Card, settings: Settings) -> Card:
    """Write the card of a new discriminator for a generator: patches as the paper's, if they fit.

    Raises
    ------
    WeightsError
        If its widths do not fit the patches.
    """
    preset = registry.preset("patch-discriminator")
    hyperparameters = preset["hyperparameters"]
    if settings.discriminator_widths is not None:
        hyperparameters["widths"] = list(settings.discriminator_widths)
    sides = card.grid or (settings.patch,) * 3
    hyperparameters["patch"] = min(hyperparameters["patch"], *sides)
    preset["input"] = card.input
    return Card(name="discriminator", licence=card.licence, **preset)


def _check_method(settings: Settings) -> None:
    if settings.method not in METHODS:
        raise TrainingError(f"unknown method {settings.method!r}; known: {', '.join(METHODS)}")
    if settings.method == "adversarial" and settings.init is None:
        raise TrainingError(
            "--adversarial goes on from a trained generator, as the paper does: train one without "
            "it first, and give its weights with --init"
        )
    if settings.teacher is not None and settings.method != "supervised":
        raise TrainingError(
            f"--teacher is imitated, --{settings.method} learns otherwise: give one of the two"
        )
    if settings.teacher is not None and settings.optimisation.perceptual:
        raise TrainingError(
            "--perceptual compares with the truth, --teacher does not: leave one out"
        )


def _network_of(settings: Settings, architecture: str) -> dict[str, Any]:
    if architecture not in registry.PRESETS:
        known = ", ".join(sorted(registry.PRESETS))
        raise TrainingError(f"unknown architecture {architecture!r}; known: {known}")
    preset = registry.preset(architecture)
    if settings.widths is not None:
        preset["hyperparameters"]["widths"] = list(settings.widths)
        if preset["input"]["grid"] is None:
            preset["input"]["multiple"] = 2 ** len(settings.widths)
    if settings.grid is not None:
        if preset["input"]["grid"] is None:
            raise TrainingError(f"{architecture} works on the image's own grid: leave --grid out")
        grid = [settings.grid] * 3
        preset["input"]["grid"] = grid
        if "grid" in preset["hyperparameters"]:
            preset["hyperparameters"]["grid"] = grid
    return preset


def _card_of_init(settings: Settings) -> Card:
    """Take the network, its input and its output from the weights to start from."""
    assert settings.init is not None
    if settings.widths is not None or settings.grid is not None:
        raise TrainingError(
            "--widths and --grid are those of --init; name an --architecture to build another"
        )
    _, card = load_generator(settings.init)
    return replace(card, name=settings.name, calibration={}, training={}, metrics={}, sha256="")


def resolved(settings: Settings, epoch: int | None, processes: int) -> Settings:
    """Turn lengths in epochs into steps.

    Parameters
    ----------
    settings
        Settings of the run.
    epoch
        Number of pairs until all have been seen; None: without end.
    processes
        Number of processes that train.

    Raises
    ------
    TrainingError
        If the length is not said, or said in epochs of an endless source.
    """
    per_step = settings.batch * settings.accumulate * processes
    o = settings.optimisation
    steps, check = o.steps, settings.validate_every
    if steps is None:
        if epoch is None:
            raise TrainingError(
                "pairs are drawn without end, and so have no epochs: say how long with --steps "
                "(or, of simulated pairs alone, how many there are with --pairs)"
            )
        if o.epochs is None:
            raise TrainingError("neither --steps nor --epochs says how long to train")
        steps = max(-(-o.epochs * epoch // per_step), 1)
    alone = settings.discriminator_steps or max(steps // 10, 1)
    if check is None:
        check = 500 if epoch is None else max(round(epoch / per_step), 1)
    return replace(
        settings,
        optimisation=replace(o, steps=steps),
        validate_every=check,
        discriminator_steps=alone,
    )
