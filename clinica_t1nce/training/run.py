"""One training run: a folder that holds all that is needed to go on, and at its end the weights."""

import json
import logging
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from pickle import UnpicklingError

import torch
from lightning.pytorch import LightningDataModule, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.models import registry
from clinica_t1nce.models.cards import Card, load_weights, save_weights
from clinica_t1nce.synthesis import find_device
from clinica_t1nce.training import memory, record
from clinica_t1nce.training.checks import Checks, Plan
from clinica_t1nce.training.data import Share, Source, loader
from clinica_t1nce.training.module import GeneratorTraining, Training
from clinica_t1nce.training.progress import ShowProgress
from clinica_t1nce.training.settings import Settings, card_of, resolved
from clinica_t1nce.training.sources import Data, Loaded

logger = logging.getLogger("clinica_t1nce")


@dataclass(frozen=True)
class Machine:
    """What a run may use; the result does not depend on it, but on the number of processes.

    Attributes
    ----------
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    devices, num_nodes
        Processes on each machine, one a GPU; machines.
    strategy
        Of Lightning's trainer; ``"auto"``: DDP where there is more than one process.
    workers
        Processes that make pairs, for each process that trains.
    threads
        Of a process that trains; None: PyTorch's choice.
    """

    device: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    workers: int = 1
    threads: int | None = None

    @property
    def world(self) -> int:
        """How many processes train."""
        return self.devices * self.num_nodes


def train(
    data: Data, output: Path, settings: Settings, machine: Machine, command: str = ""
) -> Path:
    """Train, or go on where the last run stopped.

    Parameters
    ----------
    data
        Where pairs come from.
    output
        Folder of the run: ``config.json``, ``checkpoints/``, ``metrics.tsv``, ``samples/``,
        ``tensorboard/`` and the weights with their card.
    settings
        Of the run.
    machine
        What it may use.
    command
        What the user typed, for the card.

    Returns
    -------
    Path
        The weights.

    Raises
    ------
    TrainingError
        If settings contradict each other, images cannot be used, the folder holds a run with
        other settings or is damaged, memory does not suffice, or the loss is no number.
    WeightsError
        If weights to start from cannot be used.
    DeviceError
        If the device is not there.
    OutputError
        If the disk has too little space.
    """
    device = find_device(machine.device)
    card = card_of(settings)
    _check_memory(card, settings, device)
    identity = {**asdict(settings), "data": data.identity(), "processes": machine.world}
    record.begin(output, identity, command=command)
    _quieten()
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    loaded = data.load(card, settings, output, machine.workers)
    settings = resolved(settings, loaded.training.epoch, machine.world)
    seed_everything(settings.seed, verbose=False)
    card = replace(card, training=_history(data, settings, command))
    module = _module(card, settings)
    return fit(module, loaded, output, settings, machine, card)


def fit(
    module: Training,
    loaded: Loaded,
    output: Path,
    settings: Settings,
    machine: Machine,
    card: Card,
) -> Path:
    """Train a module on what was loaded; see :func:`train`."""
    assert settings.optimisation.steps is not None
    assert settings.validate_every is not None
    weights = output / f"{settings.name}.safetensors"
    per_step = settings.batch * settings.accumulate * machine.world
    epoch = loaded.training.epoch
    plan = Plan(
        check=settings.validate_every,
        save=settings.save_every,
        draw=settings.samples_every,
        epoch=None if epoch is None else epoch / per_step,
    )

    def keep(network: nn.Module, losses: Mapping[str, float]) -> None:
        metrics = {name: float(f"{value:.6g}") for name, value in losses.items()}
        save_weights(weights, network, replace(card, metrics=metrics))

    checks = Checks(output, plan, loaded.validation, loaded.validation or loaded.training, keep)
    done = _steps_done(checks.checkpoint) // module.optimisers
    trainer = _trainer(
        module,
        output,
        settings,
        machine,
        [checks, ShowProgress(settings.optimisation.steps, settings.save_every)],
    )
    pairs = _Pairs(loaded.training, settings, done * per_step, machine.workers)
    try:
        trainer.fit(module, pairs, ckpt_path=checks.checkpoint if done else None, weights_only=True)
    except FloatingPointError as error:
        raise TrainingError(f"{output}: {error}; lower --rate and start again") from error
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"{output}: the GPU's memory does not suffice; lower --batch and raise --accumulate, "
            "or take --precision bf16-mixed"
        ) from error
    return weights


class _Pairs(LightningDataModule):
    """Each process's share of the pairs; Lightning asks when it knows which process this is."""

    def __init__(self, source: Source, settings: Settings, start: int, workers: int):
        super().__init__()
        self.source = source
        self.batch = settings.batch
        self.start = start
        self.workers = workers

    def train_dataloader(self) -> DataLoader:
        """Load the share of this process."""
        assert self.trainer is not None
        share = Share(self.batch, self.start, self.trainer.global_rank, self.trainer.world_size)
        on_gpu = self.trainer.strategy.root_device.type == "cuda"
        return loader(self.source, share, self.workers, pin=on_gpu)


def _trainer(
    module: Training, output: Path, settings: Settings, machine: Machine, callbacks: list
) -> Trainer:
    o = settings.optimisation
    assert o.steps is not None
    gpu = find_device(machine.device).type == "cuda"
    strategy = machine.strategy
    if machine.world > 1 and strategy in ("auto", "ddp"):
        # Of several networks, each step uses some.
        strategy = "ddp" if module.automatic_optimization else "ddp_find_unused_parameters_true"
    automatic = module.automatic_optimization
    return Trainer(
        accelerator="gpu" if gpu else "cpu",
        devices=machine.devices,
        num_nodes=machine.num_nodes,
        strategy=strategy,
        precision=settings.precision,  # type: ignore[arg-type]
        sync_batchnorm=gpu and machine.world > 1,
        max_steps=o.steps * module.optimisers,
        gradient_clip_val=o.clip if automatic else None,
        accumulate_grad_batches=settings.accumulate if automatic else 1,
        limit_val_batches=0,
        use_distributed_sampler=False,
        log_every_n_steps=20,
        logger=TensorBoardLogger(output, name="tensorboard", version=""),
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _module(card: Card, settings: Settings) -> Training:
    network = network_of(card, settings.init)
    return GeneratorTraining(
        network, card.output, settings.optimisation, settings.seed, settings.accumulate
    )


def network_of(card: Card, init: str | None) -> nn.Module:
    """Build a card's network, with the weights to start from.

    Raises
    ------
    TrainingError
        If these are of another network.
    WeightsError
        If they cannot be used.
    """
    network = registry.build(card.architecture, **card.hyperparameters)
    if init is not None:
        module, other = load_weights(init)
        if other.hyperparameters != card.hyperparameters or other.architecture != card.architecture:
            raise TrainingError(
                f"{init}: weights of another network ({other.architecture}, "
                f"{other.hyperparameters}); start from weights of the architecture to be trained"
            )
        network.load_state_dict(module.state_dict())
    # On a CPU several times faster, and no slower on a GPU.
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network


def _check_memory(card: Card, settings: Settings, device: torch.device) -> None:
    shape = card.grid or (settings.patch,) * 3
    half = settings.precision != "32-true"
    copies = 5 if settings.optimisation.average else 4
    needs = memory.needed(
        card.architecture,
        dict(card.hyperparameters),
        shape,
        settings.batch,
        copies=copies,
        half=half,
    )
    memory.check(needs, device, f"{settings.architecture}, batch {settings.batch}")


def _history(data: Data, settings: Settings, command: str) -> dict:
    travelling = replace(
        settings, init=_named(settings.init), discriminator=_named(settings.discriminator)
    )
    return {
        "data": data.description(),
        "command": command,
        "settings": json.loads(json.dumps(asdict(travelling))),
        "versions": record.versions(),
        "git": record.git_hash(),
    }


def _named(weights: str | None) -> str | None:
    """Leave the folders of this machine out: a card travels."""
    return None if weights is None else Path(weights).name


def _quieten() -> None:
    """Keep Lightning from advertising, and from warning of what is meant so."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated.*")
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", ".*Experiment logs directory .* exists.*")


def _steps_done(checkpoint: Path) -> int:
    if not checkpoint.exists():
        return 0
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        return int(content["global_step"])
    except (OSError, EOFError, RuntimeError, KeyError, UnpicklingError) as error:
        raise TrainingError(
            f"{checkpoint}: cannot be read ({type(error).__name__}); put another checkpoint of "
            "this run in its place, or remove it to start again"
        ) from error
