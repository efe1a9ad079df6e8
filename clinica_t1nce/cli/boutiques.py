"""Boutiques descriptor of the BIDS App, made from its click command."""

import re
from typing import Any

import click

import clinica_t1nce


def describe(command: click.Command) -> dict[str, Any]:
    """Describe a command by the schema 0.5 of Boutiques.

    Parameters
    ----------
    command
        Command with the arguments BIDS, OUT and LEVEL.

    Returns
    -------
    dict
        Content of the descriptor.
    """
    shown = [p for p in command.params if p.expose_value]
    inputs = [_input(param) for param in shown]
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
        "tags": {"domain": ["neuroinformatics", "mri"], "bids": ["app"]},
    }


def _input(param: click.Parameter) -> dict[str, Any]:
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
