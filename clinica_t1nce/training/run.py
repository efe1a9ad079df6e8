"""One training run: a folder that holds all that is needed to go on, and at its end the weights."""

import json
import logging
import platform
import time
import warnings
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from pickle import UnpicklingError

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from clinica_t1nce import __version__, images
from clinica_t1nce.errors import TrainingError
from clinica_t1nce.models import registry
from clinica_t1nce.models.cards import Card, load_weights, save_weights
from clinica_t1nce.synthesis import find_device
from clinica_t1nce.training.data import SimulatedSet, SimulatedStream
from clinica_t1nce.training.heads import find_label_maps, load_heads
from clinica_t1nce.training.module import GeneratorTraining, Optimisation

logger = logging.getLogger("clinica_t1nce")

_VALIDATION_SEED = 999_983
_PREFETCH = 4
_VERSIONED = ("torch", "lightning", "numpy", "scipy")


@dataclass(frozen=True)
class Settings:
    """What a run is made of. Written to ``config.json``; a resumed run must ask for the same.

    Attributes
    ----------
    name
        Of the weights.
    preset
        Of :data:`clinica_t1nce.models.registry.PRESETS`.
    widths
        Channels of the network's levels; None: the preset's.
    patch
        Side of the cubic patches in voxels (mm).
    precision
        Of Lightning's trainer: ``"bf16-mixed"`` is several times faster where the processor
        computes in bfloat16, and several times slower where it has to imitate it.
    init
        Weights to start from, as :func:`clinica_t1nce.models.cards.load_weights` takes them.
    """

    name: str
    optimisation: Optimisation
    preset: str = "change-unet"
    widths: tuple[int, ...] | None = None
    patch: int = 64
    batch: int = 1
    precision: str = "32-true"
    init: str | None = None
    seed: int = 0
    validation_pairs: int = 16
    save_every: int = 100
    validate_every: int = 500
    label_maps: tuple[str, ...] = field(default_factory=tuple)


def train_on_label_maps(
    folder: Path,
    output: Path,
    settings: Settings,
    device: str = "auto",
    workers: int = 1,
    threads: int | None = None,
    command: str = "",
) -> Path:
    """Train on pairs simulated from label maps, or go on where the last run stopped.

    Parameters
    ----------
    folder
        Label maps, ``*_dseg.nii.gz``.
    output
        Folder of the run: ``config.json``, ``checkpoints/``, ``log*/metrics.csv`` (one for each
        start) and the weights.
    settings
        Of the run.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    workers
        Processes that simulate while the network trains.
    threads
        Of the training process; None: PyTorch's choice.
    command
        What the user typed, for the card.

    Returns
    -------
    Path
        The weights.

    Raises
    ------
    TrainingError
        If there are no label maps, the preset does not work on patches, the folder holds a run
        with other settings, the loss is no number, or what the folder holds is damaged.
    WeightsError
        If the preset or its widths are unknown, or the name cannot be used.
    LabelMapError
        If a label map cannot be used.
    DeviceError
        If the device is not there.
    """
    accelerator = {"cuda": "gpu"}.get(find_device(device).type, "cpu")
    label_maps = find_label_maps(folder)
    settings = replace(settings, label_maps=tuple(path.name for path in label_maps))
    card = _card(settings, command)
    _begin(output, settings)
    _quieten()
    if threads is not None:
        torch.set_num_threads(threads)
    heads = load_heads(label_maps, output / "heads")
    last = output / "checkpoints" / "last.ckpt"
    done = _steps_done(last)
    seed_everything(settings.seed, verbose=False)
    network = _network(card, settings.init)
    module = GeneratorTraining(network, card.output, settings.optimisation)
    shape = (settings.patch,) * 3
    stream = SimulatedStream(heads, shape, settings.seed, start=done * settings.batch)
    validation = SimulatedSet(heads, shape, _VALIDATION_SEED, settings.validation_pairs)
    keeper = _KeepWeights(output / f"{settings.name}.safetensors", card, settings.save_every)
    trainer = Trainer(
        accelerator=accelerator,
        devices=1,
        precision=settings.precision,  # type: ignore[arg-type]
        max_steps=settings.optimisation.steps,
        gradient_clip_val=settings.optimisation.clip,
        val_check_interval=settings.validate_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=20,
        # A folder of its own for each start: the logger empties one that it finds.
        logger=CSVLogger(output, name="", version=f"log-from-{done}" if done else "log"),
        callbacks=[_checkpoints(output, settings.save_every), keeper],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    try:
        trainer.fit(
            module,
            DataLoader(
                stream,
                batch_size=settings.batch,
                num_workers=workers,
                prefetch_factor=_PREFETCH if workers else None,
            ),
            DataLoader(validation, batch_size=1),
            ckpt_path=last if done else None,
            weights_only=True,
        )
    except FloatingPointError as error:
        raise TrainingError(f"{output}: {error}; lower --rate and start again") from error
    keeper.keep(module)
    return keeper.path


def _network(card: Card, init: str | None) -> torch.nn.Module:
    network = registry.build(card.architecture, **card.hyperparameters)
    if init is not None:
        module, other = load_weights(init)
        if other.hyperparameters != card.hyperparameters or other.architecture != card.architecture:
            raise TrainingError(
                f"{init}: weights of another network ({other.architecture}, "
                f"{other.hyperparameters}); start from weights of the preset to be trained"
            )
        network.load_state_dict(module.state_dict())
    # On a CPU several times faster, and no slower on a GPU.
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network


class _KeepWeights(Callback):
    """Write the averaged weights and their card whenever a checkpoint is due; say how it goes."""

    def __init__(self, path: Path, card: Card, every: int):
        self.path = path
        self.card = card
        self.every = every
        self._began: tuple[float, int] | None = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *_: object, **__: object
    ) -> None:
        """Keep and report every so many steps."""
        step = trainer.global_step
        if self._began is None:
            self._began = time.monotonic(), step
        elif step % self.every == 0:
            self.keep(pl_module)
            pace = (time.monotonic() - self._began[0]) / (step - self._began[1])
            logger.info(
                "step %d of %d, %.2f s a step, %.0f min left, %s",
                step,
                trainer.max_steps,
                pace,
                (trainer.max_steps - step) * pace / 60,
                ", ".join(f"{k} {float(v):.4f}" for k, v in trainer.callback_metrics.items()),
            )

    def keep(self, module: LightningModule) -> None:
        """Write weights and card."""
        assert isinstance(module, GeneratorTraining)
        save_weights(self.path, module.average.module, self.card)


def _checkpoints(output: Path, every: int) -> ModelCheckpoint:
    return ModelCheckpoint(
        output / "checkpoints",
        filename="{step}",
        every_n_train_steps=every,
        save_last=True,
        save_top_k=1,
        monitor="step",
        mode="max",
    )


def _quieten() -> None:
    """Keep Lightning from advertising, and from warning of what is meant so."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated.*")
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", ".*Experiment logs directory .* exists.*")


def _begin(output: Path, settings: Settings) -> None:
    """Write the run's configuration, or check that it is the one that is there."""
    config = output / "config.json"
    wanted = json.loads(json.dumps(asdict(settings)))
    if config.exists():
        try:
            found = json.loads(config.read_text())["settings"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"{config}: not the configuration of a run ({error}); name another folder"
            ) from error
        other = sorted(key for key in wanted if found.get(key) != wanted[key])
        if other:
            raise TrainingError(
                f"{output}: holds a run with other settings ({', '.join(other)}); "
                "repeat the command of that run to go on with it, or name another folder"
            )
        return
    output.mkdir(parents=True, exist_ok=True)
    content = {"settings": wanted, "versions": _versions()}
    with images.temporary(config) as unfinished:
        unfinished.write_text(json.dumps(content, indent=2) + "\n")


def _versions() -> dict[str, str]:
    return {
        "clinica-t1nce": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in _VERSIONED},
    }


def _steps_done(checkpoint: Path) -> int:
    if not checkpoint.exists():
        return 0
    try:
        return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"])
    except (OSError, EOFError, RuntimeError, KeyError, UnpicklingError) as error:
        raise TrainingError(
            f"{checkpoint}: cannot be read ({type(error).__name__}); put another checkpoint of "
            "this run in its place, or remove it to start again"
        ) from error


def _card(settings: Settings, command: str) -> Card:
    preset = registry.preset(settings.preset)
    if settings.widths is not None:
        preset["hyperparameters"]["widths"] = list(settings.widths)
    training = {
        "data": "pairs simulated from label maps: " + ", ".join(settings.label_maps),
        "command": command,
        "settings": json.loads(json.dumps(asdict(settings))),
    }
    card = Card(name=settings.name, training=training, licence="MIT", **preset)
    card.check()
    if card.grid is not None:
        # Patches at 1 mm, white matter at 1, are not what such a network is given at inference.
        raise TrainingError(
            f"preset {settings.preset}: works on whole images on a grid of its own, patches of "
            "label maps do not train it; choose change-unet"
        )
    return card
