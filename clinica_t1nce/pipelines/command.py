"""What the command lines of our pipelines share."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from clinica_t1nce.errors import OutputError, T1nceError, one_line
from clinica_t1nce.files.text import parse_json

LOCAL_PLUGINS = ("Local", "Linear", "MultiProc", "LegacyMultiProc", "Debug")
"""Nipype plug-ins that stay on this machine; ``Local`` is ours."""


class OneLineError(click.ClickException):
    """Ends the command with one line on standard error, and exit code 1."""

    def __init__(self, message: str):
        super().__init__(one_line(message))


class WrongUsageError(OneLineError):
    """The same with exit code 2: nothing was done, and nothing can be with these arguments."""

    exit_code = 2


@contextmanager
def checking() -> Iterator[None]:
    """End with one line while a request is checked: wrong usage, but for what cannot be written."""
    from clinica.utils.exceptions import ClinicaException

    try:
        yield
    except OutputError as error:
        raise OneLineError(str(error)) from error
    except (T1nceError, ClinicaException) as error:
        raise WrongUsageError(str(error)) from error


@contextmanager
def working() -> Iterator[None]:
    """End with one line while the work is done; Ctrl-C says how to go on."""
    try:
        yield
    except T1nceError as error:
        raise OneLineError(str(error)) from error
    except KeyboardInterrupt:
        raise OneLineError("interrupted; run the same command again to go on") from None


def read_plugin(
    name: str | None, arguments: str | None, working_directory: str | None
) -> tuple[str | None, dict[str, Any]]:
    """Check the options for Nipype's execution plug-ins.

    Parameters
    ----------
    name, arguments
        Of ``--nipype-plugin`` and ``--nipype-plugin-args``.
    working_directory
        Of ``-wd``: clusters need one that all machines share.

    Raises
    ------
    WrongUsageError
        If they do not fit together.
    """
    if name is None:
        if arguments is not None:
            raise WrongUsageError("--nipype-plugin-args needs --nipype-plugin NAME")
        return None, {}
    from nipype.pipeline import plugins

    known = [item.removesuffix("Plugin") for item in dir(plugins) if item.endswith("Plugin")]
    if name not in known:
        raise WrongUsageError(
            f"--nipype-plugin {name}: Nipype has no such plug-in; known: {', '.join(known)}"
        )
    if name not in LOCAL_PLUGINS and working_directory is None:
        raise WrongUsageError(
            f"--nipype-plugin {name}: add -wd FOLDER on a disk that all machines share"
        )
    return name, _json_object(arguments)


def _json_object(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        if not text.lstrip().startswith("{"):
            text = Path(text).read_text(encoding="utf-8")
        return parse_json(text)
    except (OSError, ValueError) as error:
        raise WrongUsageError(
            f"--nipype-plugin-args {text}: neither a JSON object nor a file that holds one "
            f"({error})"
        ) from error


def save_details(pipeline_name: str, text: str, folder: Path | None) -> str:
    """Keep tracebacks for a report; in the system's folder for temporary files by default."""
    with tempfile.NamedTemporaryFile(
        "w", prefix=f"{pipeline_name}-", suffix=".txt", dir=folder, delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    return file.name


def count(number: int, noun: str, plural: str = "s") -> str:
    """Write a number and a noun.

    Examples
    --------
    >>> count(1, "pair"), count(2, "pair")
    ('1 pair', '2 pairs')
    """
    return f"{number} {noun}" + (plural if number != 1 else "")
