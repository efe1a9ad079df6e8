"""How far a training is: a bar on a terminal, else a line now and then."""

import logging
import time

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

from clinica_t1nce.training.modules.generator import Training

logger = logging.getLogger("clinica_t1nce")


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
