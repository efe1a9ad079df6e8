"""Sphinx's roles and reStructuredText's blocks in docstrings, as Markdown for mkdocstrings."""

import html
import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":(?:func|class|meth|mod|data|attr|exc):`(~?)([\w.]+)`")
DIRECTIVE = re.compile(r"^( *)\.\. workflow::\n(?:\n|\1 +.*\n)*", re.MULTILINE)
LITERAL = re.compile(r"^( *)::\n\n((?:\1 +.*\n|\n)+)", re.MULTILINE)


class SphinxRoles(Extension):
    """Turn each role into a link where its target is in the reference, and else into code."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rewrite the docstring of one module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value, obj)


def to_markdown(text: str, obj: Object) -> str:
    """Rewrite one docstring."""
    text = DIRECTIVE.sub("", text + "\n")
    text = LITERAL.sub(_fence, text)
    return ROLE.sub(lambda match: _link(match, obj), text).rstrip("\n")


def _fence(match: re.Match[str]) -> str:
    indent, body = match.groups()
    lines = body.rstrip("\n").splitlines()
    return "\n".join([f"{indent}```text", *lines, f"{indent}```", "\n"])


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
