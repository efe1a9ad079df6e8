"""What we add to Clinica's command line: the one list of our pipelines, and how they get there."""

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import click


class CommandSource(NamedTuple):
    """Where a click command is found, and what listings say about it before it is imported."""

    module: str
    attribute: str
    short_help: str


PIPELINES = {
    "t1-synth-nce": CommandSource(
        "clinica_t1nce.pipelines.t1_synth_nce.synthesis_cli",
        "cli",
        "Synthetic non-contrast T1w images from contrast-enhanced ones.",
    ),
    "t1-synth-nce-evaluate": CommandSource(
        "clinica_t1nce.pipelines.t1_synth_nce_evaluate.evaluation_cli",
        "cli",
        "Synthetic T1w against real ones: similarity, tissue volumes, report.",
    ),
}
"""Our Clinica pipelines by command name, in the order in which they are listed."""


class LazyCommand(click.Command):
    """Stand-in for a command that lives in a module not imported yet.

    Parameters
    ----------
    name : str
        Name under which the command is listed and called.
    source : CommandSource
        Module and attribute of the real command, and its short help for listings.
    before_run : callable, optional
        Function that is called without arguments when the arguments were parsed, just before the
        command runs; not called for ``--help`` or a wrong usage.
    """

    def __init__(
        self, name: str, source: CommandSource, before_run: Callable[[], None] | None = None
    ) -> None:
        super().__init__(name, short_help=source.short_help, help=source.short_help)
        self.source = source
        self._before_run = before_run

    def load(self) -> click.Command:
        """Import the real command.

        Raises
        ------
        click.ClickException
            If the import fails; the message is one line.
        """
        try:
            command = getattr(import_module(self.source.module), self.source.attribute)
        except Exception as error:
            logging.getLogger("clinica_t1nce").debug("import of %s", self.name, exc_info=True)
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise click.ClickException(
                f"{self.name} cannot be loaded ({reason}); mend: reinstall clinica-t1nce"
            ) from error
        if not isinstance(command, click.Command):
            raise click.ClickException(
                f"{self.name} cannot be loaded ({self.source.module}:{self.source.attribute} "
                "is not a click command); mend: reinstall clinica-t1nce"
            )
        return command

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parse ``args`` with the real command; the context is the real command's own."""
        context = self.load().make_context(info_name, args, parent=parent, **extra)
        if self._before_run is not None and not context.resilient_parsing:
            self._before_run()
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Run the real command in ``ctx``."""
        return self.load().invoke(ctx)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the real command's parameters."""
        return self.load().get_params(ctx)

    def get_help(self, ctx: click.Context) -> str:
        """Return the real command's help."""
        return self.load().get_help(ctx)

    def to_info_dict(self, ctx: click.Context) -> dict[str, Any]:
        """Describe the real command."""
        return self.load().to_info_dict(ctx)


def register() -> None:
    """Add our pipelines to the click group behind ``clinica run``.

    The start-up hook calls it when ``clinica.cmdline`` is loaded; a second call changes nothing.
    Commands already there are kept: should Clinica ever ship one of the same name, its own wins.
    """
    from clinica.pipelines.cli import cli as run_group

    for name, source in PIPELINES.items():
        if name not in run_group.commands:
            run_group.add_command(LazyCommand(name, source))
