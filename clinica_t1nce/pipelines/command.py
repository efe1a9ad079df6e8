"""What the command lines of our pipelines share."""

import getpass
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import click

from clinica_t1nce.errors import OutputError, T1nceError, one_line
from clinica_t1nce.files.text import parse_json
from clinica_t1nce.translation import options


class OneLineError(click.ClickException):
    """Ends the command with one line on standard error, and exit code 1."""

    def __init__(self, message: str):
        super().__init__(one_line(message))


class WrongUsageError(OneLineError):
    """The same with exit code 2: nothing was done, and nothing can be with these arguments."""

    exit_code = 2


class Terminated(BaseException):
    """A signal asked the process to end: what it holds is given back on the way out."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


def _option_arguments(name: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Give the arguments of click's ``option`` for an option of the package."""
    definition, kind, known = options.definition(name), options.kind(name), options.choices(name)
    about = definition.metadata
    argument = about["argument"] or f"--{name.replace('_', '-')}"
    settings: dict[str, Any] = {"help": about["help"], "default": definition.default}
    if kind is bool:
        settings |= {"flag_value": not definition.default, "is_flag": True}
    elif kind is Path:
        of_file = about["of_file"]
        settings["type"] = click.Path(
            exists=of_file, file_okay=of_file, dir_okay=not of_file, path_type=Path
        )
    elif known:
        settings["type"] = click.Choice(known)
    if kind is not bool and definition.default is not None:
        settings["show_default"] = True
    if about["metavar"] is not None:
        settings["metavar"] = about["metavar"]
    if isinstance(definition.default, tuple):
        settings |= {"multiple": True, "default": list(definition.default)}
    return (argument, name), settings


n_procs_option = click.option(
    "-np",
    "--n_procs",
    type=click.IntRange(min=1),
    default=lambda: max(1, (os.cpu_count() or 2) - 1),
    show_default="cores minus one",
    help="Number of cores.",
)
"""Option for the number of cores."""


def click_options(add: Callable[..., Any], *names: str) -> Callable[[Any], Any]:
    """Give a command options of the package, in their order.

    Parameters
    ----------
    add
        Decorator factory, such as ``click.option``.
    *names
        Names of fields of :class:`clinica_t1nce.translation.options.Options`.
    """

    def decorate(command: Any) -> Any:
        for name in reversed(names):
            arguments, settings = _option_arguments(name)
            command = add(*arguments, **settings)(command)
        return command

    return decorate


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
def working(pipeline: Any = None) -> Iterator[None]:
    """End with one line while the work is done; Ctrl-C and a termination say how to go on.

    Parameters
    ----------
    pipeline
        Pipeline that works, whose `n_to_do` says how much is left; None: nobody knows.
    """
    try:
        with _raising_signals():
            yield
    except T1nceError as error:
        raise OneLineError(str(error)) from error
    except KeyboardInterrupt:
        raise OneLineError(f"interrupted{_go_on(pipeline)}") from None
    except Terminated as error:
        click.echo(f"Error: terminated{_go_on(pipeline)}", err=True)
        raise click.exceptions.Exit(128 + error.number) from None


def _go_on(pipeline: Any) -> str:
    left = "" if pipeline is None else f", {pipeline.n_to_do} left to do"
    return f"{left}; run the same command again to go on"


@contextmanager
def _raising_signals() -> Iterator[None]:
    """Turn signals that end a process into an exception, so that nothing is left behind."""
    numbers = [signal.SIGTERM, signal.SIGHUP]
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    caught: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        # A second one ends it at once.
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        raise Terminated(number)

    # What is ignored, as under nohup, stays ignored.
    before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) == signal.SIG_DFL}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if caught:
        # Nipype takes it for the failure of a node that runs in this process.
        raise Terminated(caught[0])


def read_plugin(
    name: str | None, arguments: str | None, working_directory: str | None
) -> tuple[str | None, dict[str, Any]]:
    """Check the options for Nipype's execution plug-ins.

    Parameters
    ----------
    name, arguments
        Values of ``--nipype-plugin`` and ``--nipype-plugin-args``.
    working_directory
        Value of ``-wd``: clusters need one that all machines share.

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
    from clinica_t1nce.pipelines.resumable import LOCAL_PLUGINS

    if name not in LOCAL_PLUGINS and working_directory is None:
        raise WrongUsageError(
            f"--nipype-plugin {name}: add -wd FOLDER on a disk that all machines share"
        )
    if name not in LOCAL_PLUGINS:
        # In containers often not there, and Nipype asks the scheduler for jobs of this user.
        with suppress(KeyError, OSError):  # Not even a number has to be somebody's there.
            os.environ.setdefault("LOGNAME", getpass.getuser())
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
