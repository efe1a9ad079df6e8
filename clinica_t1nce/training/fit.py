"""Lightning at work: one module, one folder, from the last checkpoint on."""

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError

import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.models.cards import Card
from clinica_t1nce.models.storage import save_weights
from clinica_t1nce.synthesis.synthesizer import find_device
from clinica_t1nce.training.callback import Checks, ShowProgress
from clinica_t1nce.training.data.numbered import Share, Source, loader
from clinica_t1nce.training.data.sources import Loaded
from clinica_t1nce.training.modules.generator import Training
from clinica_t1nce.training.settings import Settings


@dataclass(frozen=True)
class Machine:
    """What a run may use; the result does not depend on it, but on the number of processes.

    Attributes
    ----------
    device
        Device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
    devices, num_nodes
        Number of processes on each machine, one a GPU, and of machines.
    strategy
        Strategy of Lightning's trainer; ``"auto"``: DDP where there is more than one process.
    workers
        Number of processes that make pairs, for each process that trains.
    threads
        Number of threads of a process that trains; None: PyTorch's choice.
    """

    device: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    workers: int = 1
    threads: int | None = None

    @property
    def processes(self) -> int:
        """Number of processes that train."""
        return self.devices * self.num_nodes


def fit(
    module: Training,
    loaded: Loaded,
    output: Path,
    settings: Settings,
    machine: Machine,
    card: Card,
) -> Path:
    """Train a module on what was loaded, or go on where the last run stopped.

    Parameters
    ----------
    module
        Module to be trained; the weights of its `kept` are written as the settings' name.
    loaded
        Sources of the pairs.
    output
        Folder of the run.
    settings
        Settings of the run, lengths in steps.
    machine
        Processes and device that it may use.
    card
        Card of the weights.

    Returns
    -------
    Path
        Path of the weights.

    Raises
    ------
    TrainingError
        If the checkpoint is damaged, the GPU's memory does not suffice, or a loss is no number.
    """
    _quieten()
    assert settings.optimisation.steps is not None
    weights = output / f"{settings.name}.safetensors"
    per_step = settings.batch * settings.accumulate * machine.processes
    epoch = loaded.training.epoch

    def keep(network: nn.Module, losses: Mapping[str, float]) -> None:
        metrics = {name: float(f"{value:.6g}") for name, value in losses.items()}
        save_weights(weights, network, replace(card, metrics=metrics))

    checks = Checks(
        output,
        settings,
        None if epoch is None else epoch / per_step,
        loaded.validation,
        loaded.validation or loaded.training,
        keep,
    )
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
    if machine.processes > 1 and strategy in ("auto", "ddp"):
        # Of several networks, each step uses some.
        strategy = "ddp" if module.automatic_optimization else "ddp_find_unused_parameters_true"
    automatic = module.automatic_optimization
    try:
        return Trainer(
            accelerator="gpu" if gpu else "cpu",
            devices=machine.devices,
            num_nodes=machine.num_nodes,
            strategy=strategy,
            precision=settings.precision,  # type: ignore[arg-type]
            sync_batchnorm=gpu and machine.processes > 1,
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
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise TrainingError(f"Lightning cannot train so: {reason}") from error


def _quieten() -> None:
    """Keep Lightning from advertising, and from warning of what is meant so."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*in eval mode at the start.*")
    # The kernels of 1 x 1 x 1 have strides that mean nothing.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.*is deprecated.*")


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
