"""What we add to Clinica's command line: the one list of our pipelines, and how they get there."""

from typing import NamedTuple


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


def register() -> None:
    """Add our pipelines to the click group behind ``clinica run``.

    The start-up hook calls it when ``clinica.cmdline`` is loaded; a second call changes nothing.
    Commands already there are kept: should Clinica ever ship one of the same name, its own wins.
    """
    from clinica.pipelines.cli import cli as run_group

    from clinica_t1nce.cli.lazy import LazyCommand

    for name, source in PIPELINES.items():
        if name not in run_group.commands:
            run_group.add_command(LazyCommand(name, source))
