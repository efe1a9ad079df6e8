"""What happens between the steps: validate, keep the best, write tables, pictures, checkpoints."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from clinica_t1nce.files import atomic
from clinica_t1nce.training import pictures
from clinica_t1nce.training.data.numbered import Batch, Source
from clinica_t1nce.training.modules.generator import Training
from clinica_t1nce.training.record import CHECKPOINT, METRICS, Metrics
from clinica_t1nce.training.settings import Settings

logger = logging.getLogger("clinica_t1nce")

_SHOWN = 3


class Checks(Callback):
    """Look after a run.

    It is one callback, and validates by itself, so that the order is certain: a checkpoint is
    written last and knows of all that came before it. A run that goes on from it is the run that
    was never interrupted.

    Parameters
    ----------
    folder
        Folder of the run.
    settings
        Settings of the run: how often it validates, saves and draws.
    epoch
        Steps in which all pairs are seen once; None of an endless source.
    validation
        Pairs to validate on, each process its share; None: none.
    shown
        Source of the pairs in pictures.
    keep
        Function that is given the network whose weights are to be kept, and its losses.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        epoch: float | None,
        validation: Source | None,
        shown: Source,
        keep: Callable[[torch.nn.Module, Mapping[str, float]], None],
    ):
        self.folder = folder
        assert settings.validate_every is not None
        self.every = settings.validate_every
        self.settings = settings
        self.epoch = epoch
        self.validation = validation
        self.shown = shown
        self.keep = keep
        self.metrics = Metrics(folder / METRICS)
        self.best: dict[str, float] = {}
        self.waited = 0
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    @property
    def checkpoint(self) -> Path:
        """The run's last checkpoint."""
        return self.folder / CHECKPOINT

    def state_dict(self) -> dict[str, Any]:
        """Give what a checkpoint has to know."""
        return {
            "best": self.best,
            "waited": self.waited,
            "sums": self._sums,
            "counts": self._counts,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint knows."""
        self.best = state_dict["best"]
        self.waited = state_dict["waited"]
        self._sums = state_dict["sums"]
        self._counts = state_dict["counts"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on where the run was left."""
        assert isinstance(pl_module, Training)
        self.metrics.resume(pl_module.iteration)
        self._stop_early(trainer, pl_module)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Do what is due."""
        assert isinstance(pl_module, Training)
        for name, value in trainer.callback_metrics.items():
            if name != "step":
                self._sums[name] = self._sums.get(name, 0.0) + float(value)
                self._counts[name] = self._counts.get(name, 0) + 1
        if (batch_idx + 1) % pl_module.accumulate:
            return
        step = pl_module.iteration
        last = step == pl_module.optimisation.steps
        if step % self.every == 0 or last:
            self._check(trainer, pl_module)
            self._stop_early(trainer, pl_module)
            self._save(trainer)
        elif step % self.settings.save_every == 0:
            self._save(trainer)

    def _check(self, trainer: Trainer, module: Training) -> None:
        step = module.iteration
        losses = {
            f"train_{name}": _across(trainer, total / self._counts[name], "mean")
            for name, total in self._sums.items()
        }
        self._sums, self._counts = {}, {}
        validated = self._validate(trainer, module)
        losses |= {f"validation_{name}": value for name, value in validated.items()}
        name = f"train_{module.decisive}"
        if validated:
            name = f"validation_{next(iter(validated))}"
        better = not self.best or losses[name] < self.best[name]
        self.waited = 0 if better else self.waited + 1
        if better:
            self.best = {name: losses[name], "step": step}
        if not trainer.is_global_zero:
            return
        if better or module.optimisation.keep == "last":
            self.keep(module.kept, {**losses, "step": step})
        epoch = {} if self.epoch is None else {"epoch": step / self.epoch}
        self.metrics.add({"step": step, **epoch, **losses})
        for writer in trainer.loggers:
            writer.log_metrics(losses, step=step)
        self._warn_if_flat(module, step)
        number = step // self.every
        if self.settings.samples_every and number % self.settings.samples_every == 0:
            self._draw(module, step)

    def _validate(self, trainer: Trainer, module: Training) -> dict[str, float]:
        if self.validation is None:
            return {}
        size = self.validation.epoch or 0
        share = range(trainer.global_rank, size, trainer.world_size)
        sums: dict[str, float] = {}
        with _evaluation(module):
            # A process without a share looks at a pair all the same, so that it knows what the
            # others are about to add up.
            for number in share or [0]:
                # Made outside of the context: half precision would move what is simulated.
                batch = _batch_of(self.validation, number, module)
                with trainer.precision_plugin.forward_context():
                    losses = module.validation_losses(batch)
                for name, loss in losses.items():
                    sums[name] = sums.get(name, 0.0) + (float(loss) if share else 0.0)
        return {name: _across(trainer, total, "sum") / size for name, total in sums.items()}

    def _warn_if_flat(self, module: Training, step: int) -> None:
        with _evaluation(module):
            flat = all(module.is_flat(batch) for batch in self._shown_batches(module))
        if flat:
            logger.warning(
                "step %d: the weights give the same value in every voxel. They have learnt nothing "
                "yet, or forgotten it: if this stays, start again with a lower --rate",
                step,
            )

    def _shown_batches(self, module: Training) -> Iterator[Batch]:
        for number in range(min(self.shown.epoch or _SHOWN, _SHOWN)):
            yield _batch_of(self.shown, number, module)

    def _draw(self, module: Training, step: int) -> None:
        drawn = []
        with _evaluation(module):
            for batch in self._shown_batches(module):
                made = module.as_written(batch["t1ce"])
                volumes = (batch["t1ce"], made, batch["t1nce"])
                drawn.append(pictures.Sample(*(v[0, 0].float().cpu().numpy() for v in volumes)))
        kind = "training" if self.validation is None else "validation"
        path = self.folder / "samples" / f"step-{step:07d}.png"
        pictures.draw(path, drawn, f"step {step}, {kind} pairs")

    def _stop_early(self, trainer: Trainer, module: Training) -> None:
        patience = module.optimisation.patience
        if patience is not None and self.waited >= patience:
            trainer.should_stop = True

    def _save(self, trainer: Trainer) -> None:
        """Write the checkpoint, whole or not at all; every process takes part."""
        if trainer.world_size > 1:
            # The checkpoint is the first process's, which must know of the others' losses.
            self._sums = {n: _across(trainer, s, "mean") for n, s in self._sums.items()}
        if not trainer.is_global_zero:
            trainer.save_checkpoint(self.checkpoint)
            return
        with atomic.temporary(self.checkpoint) as part:
            trainer.save_checkpoint(part)


def _across(trainer: Trainer, value: float, how: str) -> float:
    """Bring a number together across processes."""
    if trainer.world_size == 1:
        return value
    tensor = torch.tensor(value, dtype=torch.float64, device=trainer.strategy.root_device)
    return float(trainer.strategy.reduce(tensor, reduce_op=how))


def _batch_of(source: Source, number: int, module: Training) -> Batch:
    return {k: v[None].to(module.device) for k, v in source.pair(number).items()}


@contextmanager
def _evaluation(module: Training) -> Iterator[None]:
    """Evaluate, without gradients, and train on as before."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


class ShowProgress(Callback):
    """Show step of so many `steps`, losses and time left; without a terminal `every` so often."""

    def __init__(self, steps: int, every: int):
        self.steps = steps
        self.every = every
        self._bar: Progress | None = None
        self._began = 0.0
        self._first = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin; only the first of several processes shows anything."""
        assert isinstance(pl_module, Training)
        self._began, self._first = time.monotonic(), pl_module.iteration
        console = Console(stderr=True)
        if not trainer.is_global_zero or not console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=console,
        )
        self._bar.start()
        self._task = self._bar.add_task("", total=self.steps, completed=self._first, losses="")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *_: object, **__: object
    ) -> None:
        """Go on."""
        assert isinstance(pl_module, Training)
        step = pl_module.iteration
        if self._bar is not None:
            self._bar.update(self._task, completed=step, losses=_losses(trainer))
        elif step > self._first and step % self.every == 0 and trainer.is_global_zero:
            pace = (time.monotonic() - self._began) / (step - self._first)
            logger.info(
                "step %d of %d, %.2f s a step, %.0f min left, %s",
                step,
                self.steps,
                pace,
                (self.steps - step) * pace / 60,
                _losses(trainer),
            )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the screen in order."""
        self._close()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Leave the screen in order."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _losses(trainer: Trainer) -> str:
    metrics = trainer.callback_metrics.items()
    return ", ".join(f"{name} {float(value):.4f}" for name, value in metrics if name != "step")
