"""The ``clinica-t1nce`` script: our pipelines, and the commands that are no BIDS/CAPS pipelines."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from clinica_t1nce.plugin import PIPELINES, CommandSource, LazyCommand

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 160}

_HELP = {
    "translate": "Translate T1ce, NIfTI files, without a CAPS.",
    "bids": "Translate each T1ce of a BIDS data set, as a BIDS App.",
    "calibrate": "Let weights tell whether gadolinium was given, and how sure they are.",
    "detect": "Say of T1w, files or those of a BIDS or CAPS, whether they show gadolinium.",
    "separate": "View a BIDS data set with T1nce and T1ce of one visit in two sessions.",
    "homogenise": "Make a BIDS data set with one T1nce a session, acquired or synthetic, from a "
    "CAPS.",
    "audit": "Tell how well acquired and synthetic images of a data set can still be told apart.",
    "train": "Train a generator on real pairs of T1ce and T1nce, on simulated ones, or on both.",
    "train-simulated": "Train a generator on pairs simulated from label maps.",
    "simulate": "Simulate pairs of T1ce and T1nce from label maps.",
    "split": "Deal pairs out to training, validation and test.",
    "convert-weights": "Turn a checkpoint of the paper's authors into weights.",
    "average-weights": "Take the mean of weights that were trained on from the same ones.",
    "export-bundle": "Write weights as a MONAI bundle.",
}
"""Commands beside ``run``, by name, and what listings say about them."""

_ELSEWHERE = {
    "train-simulated": "train",
    "convert-weights": "weights",
    "average-weights": "weights",
    "export-bundle": "weights",
}
"""Modules of the commands that share one with others, whose functions have the commands' names."""

COMMANDS = {
    name: CommandSource(
        f"clinica_t1nce.cli.{_ELSEWHERE.get(name, name)}",
        name.replace("-", "_") if name in _ELSEWHERE else "cli",
        text,
    )
    for name, text in _HELP.items()
}
"""Commands beside ``run``, by name: where each is found and what listings say about it."""

EXTRAS = {"lightning": "train", "tensorboard": "train", "torchio": "train"}
"""Packages that only an extra of ours installs, and that extra's name."""


class OrderedGroup(click.Group):
    """Group that lists its commands in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, oldest first."""
        return list(self.commands)


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    for package in ("clinica-t1nce", "clinica", "nipype", "torch"):
        try:
            click.echo(f"{package} {version(package)}")
        except PackageNotFoundError:
            click.echo(f"{package} not installed")
    ctx.exit()


@click.group(cls=OrderedGroup, context_settings=CONTEXT_SETTINGS)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the versions of this package, Clinica, Nipype and PyTorch, and exit.",
)
@click.option("-v", "--verbose", is_flag=True, help="Increase logging verbosity.")
def cli(verbose: bool) -> None:
    """Translate contrast-enhanced T1w brain MRI into non-contrast images."""


@cli.group(cls=OrderedGroup)
def run() -> None:
    """Run pipelines on CAPS data sets, as `clinica run` does."""


def set_up_clinica_logging() -> None:
    """Log as `clinica` does, which sets its own logging up in its top command."""
    from clinica.cmdline import setup_logging

    context = click.get_current_context(silent=True)
    verbose = context is not None and bool(context.find_root().params.get("verbose"))
    setup_logging(verbose=verbose)


for _name, _source in PIPELINES.items():
    run.add_command(LazyCommand(_name, _source, before_run=set_up_clinica_logging))
for _name, _source in COMMANDS.items():
    cli.add_command(LazyCommand(_name, _source))


def main() -> None:
    """Run the command line; errors raised on purpose end it with one line and exit code 1.

    A request that cannot be served as it is (:class:`SelectionError`) is wrong usage: exit code 2.
    """
    try:
        Path.home()
    except RuntimeError:  # pybids and others look for it when they are imported.
        os.environ["HOME"] = os.sep
    try:
        cli()
    except Exception as error:
        message = _message(error)
        if message is None:
            raise
        click.echo(f"Error: {message}", err=True)
        sys.exit(_exit_code(error))


def _exit_code(error: Exception) -> int:
    from clinica_t1nce.errors import SelectionError

    return 2 if isinstance(error, SelectionError) else 1


def _message(error: Exception) -> str | None:
    """Return what to tell the user, or None for a bug of ours, whose traceback is wanted."""
    from clinica_t1nce.errors import T1nceError

    if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        extra = EXTRAS[error.name]
        return f"{error.name} is not installed; mend: pip install 'clinica-t1nce[{extra}]'"
    clinica_exceptions = sys.modules.get("clinica.utils.exceptions")
    expected = (T1nceError, getattr(clinica_exceptions, "ClinicaException", T1nceError))
    return str(error) if isinstance(error, expected) else None
