"""``clinica-t1nce bids``: the BIDS App."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import clinica_t1nce
from clinica_t1nce.datasets.derivative import SPACES
from clinica_t1nce.pipelines.command import checking, click_options, count, n_procs_option, working

if TYPE_CHECKING:
    from clinica_t1nce.translation.options import Device

PARTICIPANT, GROUP = "participant", "group"


class ListCommand(click.Command):
    """Command whose repeatable options take several values at once, as those of BIDS Apps."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its values."""
        several = {
            name
            for param in self.params
            if isinstance(param, click.Option) and param.multiple
            for name in param.opts
        }
        return super().parse_args(ctx, list(_repeated(args, several)))


def _repeated(args: list[str], several: set[str]) -> Iterator[str]:
    current, n_values = None, 0
    for arg in args:
        if arg.startswith("-"):
            current, n_values = (arg if arg in several else None), 0
        elif current is not None:
            n_values += 1
            if n_values > 1:
                yield current
        yield arg


def _show_descriptor(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from clinica_t1nce.files.text import as_json

    click.echo(as_json(descriptor_of(cli)), nl=False)
    ctx.exit()


@click.command("bids", cls=ListCommand)
@click.argument("bids", type=click.Path(file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.argument("level", type=click.Choice([PARTICIPANT, GROUP]))
@click.option(
    "--participant-label",
    "--participant_label",
    "participants",
    multiple=True,
    metavar="LABEL...",
    help="Participants to work on, with or without sub-; all if not given.",
)
@click.option(
    "--session-label",
    "--session_label",
    "sessions",
    multiple=True,
    metavar="LABEL...",
    help="Sessions to work on, with or without ses-; all if not given.",
)
@click.option(
    "--bids-filter-file",
    "filter_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='JSON file that chooses T1w by their entities, as of fMRIPrep: {"t1w": {"acquisition": '
    '"mprage"}}.',
)
@click.option("--skip-bids-validation", is_flag=True, help="Do not run the BIDS validator.")
@click_options(click.option, "model", "device")
@click.option(
    "--output-space",
    "space",
    type=click.Choice(SPACES),
    default=SPACES[0],
    show_default=True,
    help="Grid of the T1nce: that of the T1ce, or 1 mm in MNI space, bias-corrected.",
)
@click.option(
    "--agent-words",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TSV file with the columns word and meaning (given, none or nothing): what words for the "
    "contrast agent in the metadata mean that are not known.",
)
@click.option(
    "--save-enhancement", is_flag=True, help="Also write what was removed (T1ce - T1nce)."
)
@click.option(
    "--reports-only",
    is_flag=True,
    help="Translate nothing: make the pages of the T1nce that are there anew.",
)
@n_procs_option
@click.option(
    "--boutiques",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_descriptor,
    help="Show the Boutiques descriptor of this command, and exit.",
)
def cli(
    level: str,
    skip_bids_validation: bool,
    model: str,
    device: "Device",
    reports_only: bool,
    n_procs: int,
    **choices: Any,
) -> None:
    """Translate each T1ce of the BIDS data set BIDS into OUT, a BIDS derivative.

    A T1w is a T1ce if its name has the entity ce-, or sidecar or scans.tsv name a contrast agent.
    The level participant translates: of each T1ce, OUT gets
    sub-*[_ses-*]*_desc-synthnce_T1w.nii.gz, on its grid, with a JSON and an HTML page. What is
    there already, from the same image and weights, is left as it is: the same command continues a
    run that was killed. The level group writes a table and a page of them all.

    Exit code: 0 if every T1ce has its T1nce, 1 if one has not, 2 if nothing was begun.
    """
    from clinica_t1nce.pipelines import bids_app
    from clinica_t1nce.pipelines.resumable import check_model

    request = bids_app.AppRequest(**choices)
    if level == GROUP:
        with checking():
            page, number = bids_app.write_group(request.out)
        click.echo(f"{count(number, 'image')}: {page}")
        return
    with checking():
        chosen = check_model(model, device)
        plan = bids_app.plan_derivative(request, chosen)
        if not skip_bids_validation and bids_app.validate(request.bids) is None:
            click.echo("No BIDS validator is installed: the data set is taken as it is.")
    n_failed = len(plan.failed)
    for reason in plan.failed:
        click.echo(f"Error: {reason}", err=True)
    if reports_only:
        there = [files for files in (*plan.done, *plan.to_do) if files.image.is_file()]
        made = bids_app.write_pages_again(chosen, there, n_procs)
    else:
        click.echo(
            f"{len(plan.to_do)} T1ce to translate, {len(plan.done)} done before, "
            f"{plan.n_others} T1nce left alone"
        )
        made = bids_app.translate_planned(request, chosen, plan.to_do, n_procs)
    with working():
        for files, content, failure in made:
            if failure is not None:
                n_failed += 1
                click.echo(f"Error: {failure}", err=True)
            elif content is None:
                click.echo(files.page)
            else:
                click.echo(f"{files.image}  ({content['DurationSeconds']:.0f} s)")
    if n_failed:
        click.echo(f"Error: {n_failed} failed", err=True)
        sys.exit(1)


def descriptor_of(command: click.Command) -> dict[str, Any]:
    """Describe a command with the arguments BIDS, OUT and LEVEL by the schema 0.5 of Boutiques."""
    shown = [p for p in command.params if p.expose_value]
    inputs = [_descriptor_of_input(param) for param in shown]
    line = " ".join(["clinica-t1nce", str(command.name), *(i["value-key"] for i in inputs)])
    text = " ".join(re.sub(r"\s+", " ", command.help or "").split())
    return {
        "name": "clinica-t1nce",
        "description": text.partition(" Exit code:")[0],
        "tool-version": clinica_t1nce.__version__,
        "schema-version": "0.5",
        "command-line": line,
        "inputs": inputs,
        "output-files": [
            {
                "id": "derivative",
                "name": "BIDS derivative",
                "path-template": "[OUT]",
                "optional": False,
            }
        ],
        "error-codes": [
            {"code": 1, "description": "An image was not translated."},
            {"code": 2, "description": "Nothing was begun: wrong usage."},
        ],
        # As docs/tutorials/container.md builds it; nobody has published it.
        "container-image": {"type": "docker", "image": "clinica-t1nce"},
        "tags": {"domain": ["neuroinformatics", "mri"], "bids": ["app"]},
    }


def _descriptor_of_input(param: click.Parameter) -> dict[str, Any]:
    kind = param.type
    found: dict[str, Any] = {
        "id": param.name,
        "name": (param.name or "").replace("_", " "),
        "value-key": f"[{(param.name or '').upper()}]",
        "type": "File" if isinstance(kind, click.Path) else "String",
        "optional": not param.required,
    }
    if isinstance(kind, click.Choice):
        found["value-choices"] = list(kind.choices)
    if isinstance(kind, click.IntRange):
        found |= {"type": "Number", "integer": True, "minimum": kind.min}
    if not isinstance(param, click.Option):
        if param.name == "out":
            found["type"] = "String"  # It need not be there.
        return found
    found["command-line-flag"] = next(o for o in param.opts if o.startswith("--"))
    found["description"] = param.help or ""
    if param.is_flag:
        found["type"] = "Flag"
    if param.multiple:
        found["list"] = True
    return found
