"""What commands that run at the same time have in common: a CAPS, a working directory."""

import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import clinica.dataset
from clinica.utils.exceptions import ClinicaDatasetError
from filelock import FileLock

from clinica_t1nce.caps.dataset import DESCRIPTION, PAUSES
from clinica_t1nce.errors import OutputError
from clinica_t1nce.files import atomic
from clinica_t1nce.pipelines.clinica_log import muted_clinica

logger = logging.getLogger("clinica_t1nce")

LOCK = ".t1-synth-nce.lock"
"""In a working directory: held by the run that works there."""


def construct(initialise: Callable[..., None], **arguments: Any) -> None:
    """Call the constructor of Clinica's pipelines so that no other start is disturbed by it.

    The constructor notes the run in the CAPS's description: it empties the file, then fills it,
    and who reads it in this moment ends in an error. Here the file is replaced in one step. Other
    commands of Clinica do not: a description that cannot be read is tried again. A CAPS that
    cannot be written to is used without a note.

    Parameters
    ----------
    initialise
        ``super().__init__`` of a pipeline.
    arguments
        For it.
    """
    with muted_clinica(), _replaced_in_one_step():
        for pause in PAUSES:
            try:
                initialise(**arguments)
            except (json.JSONDecodeError, ClinicaDatasetError):
                time.sleep(pause)
            else:
                return
        initialise(**arguments)


@contextmanager
def _replaced_in_one_step() -> Iterator[None]:
    original = clinica.dataset.write_caps_dataset_description
    clinica.dataset.write_caps_dataset_description = _write
    try:
        yield
    finally:
        clinica.dataset.write_caps_dataset_description = original


def _write(input_dir: Path, output_dir: Path, processing_name: str, **arguments: Any) -> None:
    description = clinica.dataset.build_caps_dataset_description(
        input_dir, output_dir, processing_name, **arguments
    )
    try:
        with atomic.temporary(output_dir / DESCRIPTION) as part, part.open("w") as file:
            description.write(to=file)
    except OutputError as error:
        logger.warning("%s; the run is not noted there", error)


@contextmanager
def own_folder(working_directory: Path) -> Iterator[Path]:
    """Give a working directory, or, while another run works in it, a new folder in it.

    Two graphs of Nipype in one folder remove each other's files. A run that was killed holds
    nothing.

    Parameters
    ----------
    working_directory
        Made if needed.

    Raises
    ------
    OutputError
        If it cannot be written to.
    """
    try:
        working_directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(working_directory / LOCK)
        try:
            lock.acquire(timeout=0)
        except (OSError, NotImplementedError):
            # Taken (filelock's Timeout is an OSError), or a file system without locks.
            folder = Path(tempfile.mkdtemp(prefix="run-", dir=working_directory))
        else:
            folder = working_directory
    except OSError as error:
        raise OutputError(
            f"{working_directory}: cannot be written to ({error.strerror or error}); "
            "give another folder with -wd"
        ) from error
    try:
        yield folder
    finally:
        lock.release()
