"""Every patch and private of Clinica that this package leans on, each as seen in Clinica 0.12.

- `clinica` opens Nipype's ``pypeline.log`` in the current folder before any command has its say
  (0.12, ``clinica.cmdline.setup_logging``): :func:`move_nipype_log`, :class:`TidyCommand`.
- Every run announces that it updates the description of the data set, and warns of things that are
  in order (0.12, ``clinica.dataset``): :func:`muted_clinica`.
- The constructor of a pipeline notes the run in the description of a CAPS: it empties the file,
  then fills it, and who reads it in this moment ends in an error (0.12,
  ``clinica.dataset.write_caps_dataset_description``, imported from there when it is called):
  :func:`construct`.
- The constructor makes a temporary folder for each pipeline, run or not (0.12,
  ``Pipeline.__init__``): :func:`construct` is to be given one.
"""

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from clinica_t1nce.caps.description import DESCRIPTION, PAUSES
from clinica_t1nce.errors import OutputError
from clinica_t1nce.files import atomic

logger = logging.getLogger("clinica_t1nce")

SECONDS_FOR_THE_LOCK = 10.0
"""Time after which a description is written although another process holds it."""


def move_nipype_log(folder: Path | None) -> None:
    """Move Nipype's log to a folder, or do without one.

    `clinica` opens ``pypeline.log`` in the current folder before any command has its say. It is
    still empty then, and goes again. Where ``CLINICA_LOGGING_DIR`` says that the user wants a log,
    nothing is changed.

    Parameters
    ----------
    folder
        Folder of the log; None for no log.

    Raises
    ------
    OutputError
        If the folder cannot be made.
    """
    if os.environ.get("CLINICA_LOGGING_DIR"):
        return
    import nipype

    handler = getattr(nipype.logging, "_hdlr", None)
    nipype.config.set("logging", "log_to_file", str(folder is not None).lower())
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{folder}: cannot be made ({error.strerror or error}); give another folder with "
                "-wd"
            ) from error
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


def construct(initialise: Callable[..., None], **arguments: Any) -> None:
    """Call the constructor of Clinica's pipelines so that no other start is disturbed by it.

    Parameters
    ----------
    initialise
        Constructor, ``super().__init__`` of a pipeline on a CAPS that was checked
        (:func:`clinica_t1nce.caps.description.require_caps`).
    arguments
        Arguments of the constructor, ``base_dir`` among them.
    """
    import clinica.dataset

    replaced = {
        "write_caps_dataset_description": note_run,
        # Checked already; Clinica would stumble over a description that another is writing.
        "check_caps_dataset": lambda caps: caps,
    }
    originals = {name: getattr(clinica.dataset, name) for name in replaced}
    try:
        for name, function in replaced.items():
            setattr(clinica.dataset, name, function)
        with muted_clinica():
            initialise(**arguments)
    finally:
        for name, function in originals.items():
            setattr(clinica.dataset, name, function)


def note_run(input_dir: Path, output_dir: Path, processing_name: str, **arguments: Any) -> None:
    """Note a run in the description of a CAPS, in one step, and no two of ours at a time.

    Other commands of Clinica know no lock and replace nothing in one step: a description that
    cannot be read is tried again. A CAPS that cannot be written to is used without a note.
    """
    from clinica.dataset import build_caps_dataset_description
    from clinica.utils.exceptions import ClinicaDatasetError

    with _locked(output_dir):
        for pause in (*PAUSES, None):
            try:
                description = build_caps_dataset_description(
                    input_dir, output_dir, processing_name, **arguments
                )
                break
            except (ValueError, ClinicaDatasetError):
                if pause is None:
                    raise
                time.sleep(pause)
        try:
            with atomic.temporary(output_dir / DESCRIPTION) as part, part.open("w") as file:
                description.write(to=file)
        except OutputError as error:
            logger.warning("%s; the run is not noted there", error)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder itself, so that no file is left; do without where there are no locks."""
    descriptor = None
    with suppress(ImportError, OSError):
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
        end = time.monotonic() + SECONDS_FOR_THE_LOCK
        while time.monotonic() < end:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.02)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
