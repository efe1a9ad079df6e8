"""Sphinx's roles and reStructuredText's blocks in docstrings, as Markdown for mkdocstrings."""

import html
import re
import textwrap
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":(?:func|class|meth|mod|data|attr|exc):`(~?)([\w.]+)`")
GRAPH = re.compile(r"^Workflow Graph\n((?: +.*\n|\n)*)", re.MULTILINE)
DIRECTIVE = re.compile(r"^\.\. workflow::\n(?:\n| +.*\n)*", re.MULTILINE)
LITERAL = re.compile(r"^( *)::\n\n((?:\1 +.*\n|\n)+)", re.MULTILINE)
DOORS = re.compile(r"^((?:In|Out)puts\n-+\n)((?:(?!.*\n-+\n).*\n)*)", re.MULTILINE)
"""Sections of a graph's inputs and outputs, which numpydoc does not know."""


class SphinxRoles(Extension):
    """Turn each role into a link where its target is in the reference, and else into code."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rewrite the docstring of one module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value, obj)


def to_markdown(text: str, obj: Object) -> str:
    """Rewrite one docstring."""
    text = GRAPH.sub(_graph, text + "\n")
    text = LITERAL.sub(_fence, text)
    text = DOORS.sub(lambda match: match[1] + _list(match[2]), text)
    return ROLE.sub(lambda match: _link(match, obj), text).rstrip("\n")


def _graph(match: re.Match[str]) -> str:
    """Keep the drawing of a workflow in text, and leave out Sphinx's own."""
    body = DIRECTIVE.sub("", textwrap.dedent(match[1]))
    return f"Its graph:\n\n{body}" if body.strip() else ""


def _fence(match: re.Match[str]) -> str:
    indent, body = match.groups()
    fence = f"```text\n{textwrap.dedent(body).strip(chr(10))}\n```"
    return textwrap.indent(fence, indent) + "\n\n"


def _list(body: str) -> str:
    """Write names, each with an indented description, as a list."""
    lines = (
        f"    {line.strip()}" if line.startswith(" ") else f"- **{line.strip()}**:"
        for line in body.splitlines()
        if line.strip()
    )
    return "\n".join(lines) + "\n\n"


def _link(match: re.Match[str], obj: Object) -> str:
    shortened, target = match.groups()
    shortened = shortened or target.startswith("clinica_t1nce.")
    shown = target.rpartition(".")[2] if shortened else target
    # Optional: a name that is not in the reference stays text, and is no error.
    identifier = html.escape(_resolve(target, obj))
    return f'<autoref identifier="{identifier}" optional><code>{shown}</code></autoref>'


def _resolve(target: str, obj: Object) -> str:
    try:
        return obj.resolve(target)
    except Exception:  # Names of other modules are written in full as often as not.
        return target
