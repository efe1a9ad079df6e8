"""What Clinica says and logs, where it is of no use to the user."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click


def move_nipype_log(folder: Path | None) -> None:
    """Move Nipype's log to a folder, or do without one.

    `clinica` opens ``pypeline.log`` in the current folder before any command has its say. It is
    still empty then, and goes again. Where ``CLINICA_LOGGING_DIR`` says that the user wants a log,
    nothing is changed.

    Parameters
    ----------
    folder
        Where the log goes; None for no log.
    """
    if os.environ.get("CLINICA_LOGGING_DIR"):
        return
    import nipype

    handler = getattr(nipype.logging, "_hdlr", None)
    nipype.config.set("logging", "log_to_file", str(folder is not None).lower())
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        nipype.config.set("logging", "log_directory", str(folder))
    nipype.logging.update_logging(nipype.config)
    if handler is not None:
        handler.close()
        log = Path(handler.baseFilename)
        if log.exists() and log.stat().st_size == 0:
            log.unlink()


class TidyCommand(click.Command):
    """A command that leaves nothing in the current folder, not even when it only shows help."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """Parse the arguments, once the log is gone."""
        move_nipype_log(None)
        return super().make_context(info_name, args, parent=parent, **extra)


@contextmanager
def muted_clinica() -> Iterator[None]:
    """Keep Clinica from announcing, at every run, that it updates the data set's description."""
    clinica = logging.getLogger("clinica")
    level = clinica.level
    if level > logging.DEBUG or level == logging.NOTSET:
        clinica.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        clinica.setLevel(level)
