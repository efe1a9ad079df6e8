"""What MkDocs does not do by itself.

Pages of files that lie outside of ``docs/`` (changelog, benchmarks, examples), links to these,
blocks that are made of the package as it is (commands, traits of interfaces), and checks of the
pages as they were built.
"""

import base64
import html
import inspect
import json
import posixpath
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]

OUTSIDE = {
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "README.md": "index.md",
    "LICENSE": "LICENSE",
    "CITATION.cff": "CITATION.cff",
}
"""Files outside of ``docs/``, and what stands for them on the site."""

LINK = re.compile(r"(\]\()(?!https?:|#)([^)\s#]+)")
PATHLIKE = re.compile(r"(?:an? )?pathlike object or string representing an? (existing )?(\w+)")
MARKER = re.compile(r"^<!-- (commands|interfaces|workflows) -->$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages and files that lie outside of ``docs/``, and a page for each notebook."""
    outside = {source: target for source, target in OUTSIDE.items() if target != "index.md"}
    for folder in ("containers", "examples"):
        for path in sorted((ROOT / folder).iterdir()):
            if path.is_file():
                outside[f"{folder}/{path.name}"] = f"{folder}/{path.name}"
    for source, target in outside.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if target.endswith(".md"):
            text = _link_to_site(text, posixpath.dirname(source), target)
        files.append(File.generated(config, target, content=text))
    for path in sorted((ROOT / "docs").rglob("*.ipynb")):
        page = path.relative_to(ROOT / "docs").with_suffix(".md").as_posix()
        for target, content in _notebook(path, page).items():
            files.append(File.generated(config, target, content=content))
    return files


def _notebook(path: Path, page: str) -> dict[str, str | bytes]:
    """Make a page and the pictures on it of a notebook that was run; no need for nbconvert."""
    made: dict[str, str | bytes] = {}
    blocks = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            blocks.append(source)
            continue
        blocks.append(f"``` {{ .python }}\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {"text/plain": output.get("text", "")})
            if picture := data.get("image/png"):
                name = f"{page.removesuffix('.md')}_{len(made)}.png"
                made[name] = base64.b64decode(picture)
                alt = cell["metadata"].get("alt", "")
                blocks.append(f"![{alt}]({posixpath.basename(name)})")
            elif text := "".join(data["text/plain"]).strip():
                blocks.append(f"``` {{ .text .no-copy }}\n{text}\n```")
    blocks.insert(1, f"[Download the notebook]({path.name}).")
    return {**made, page: "\n\n".join(blocks) + "\n"}


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links that leave ``docs/`` to their pages, and fill markers in."""
    source = page.file.src_uri
    if source not in OUTSIDE.values() or source == "index.md":
        markdown = _link_to_site(markdown, posixpath.dirname(f"docs/{source}"), source)
    return MARKER.sub(lambda match: "\n".join(BLOCKS[match[1]]()), markdown)


def _link_to_site(markdown: str, folder: str, page: str) -> str:
    """Rewrite links, which are relative to a folder of the repository, to those of a page."""

    def rewrite(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[2]))
        if target == "examples":
            target = "docs/tutorials/graph.md"
        target = OUTSIDE.get(target, target.removeprefix("docs/"))
        shown = target.replace(".ipynb", ".md")
        target = target if shown == page else shown  # A notebook's own page links to the file.
        return match[1] + posixpath.relpath(target, posixpath.dirname(page) or ".")

    return LINK.sub(rewrite, markdown)


# Blocks


def _commands() -> Iterator[str]:
    """Describe each command from its own click command, in the order of ``--help``.

    Not by mkdocs-click, which knows no lazy commands, takes the ``<sub>`` of a path for HTML and
    names click's internal default where an option has none.
    """
    from clinica_t1nce.cli.main import cli

    yield from _group(cli, click.Context(cli, info_name="clinica-t1nce"))


def _group(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        command = getattr(command, "load", lambda known=command: known)()
        settings = command.context_settings
        inner = click.Context(command, info_name=name, parent=context, **settings)
        if isinstance(command, click.Group):
            yield from _group(command, inner)
        else:
            yield from _command(command, inner)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## `{context.command_path}`"
    yield ""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield f"```text\n{paragraph[2:]}\n```"
        else:
            yield _prose(paragraph)
        yield ""
    yield f"```text\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```"
    yield ""
    for option in command.get_params(context):
        record = option.get_help_record(context)
        if record is None or isinstance(option, click.Argument):
            continue
        names, text = (" ".join(part.split()) for part in record)
        if option.opts:
            yield from _definition(f"`{names}`", _prose(text))
        else:  # A heading of an option group.
            yield from (f"**{names.removesuffix(':')}**", "")


def _prose(text: str) -> str:
    """Write a help text as Markdown: options as code, and nothing taken for markup."""
    parts = re.split(r"(`[^`]*`)", text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([*_\[\]\\])", r"\\\1", html.escape(parts[i], quote=False))
        parts[i] = re.sub(r"(?<![\w-])(--?[a-z][\w-]*\w)", r"`\1`", parts[i])
    return "".join(parts)


def _definition(term: str, text: str) -> Iterator[str]:
    yield from (term, f":   {text}", "")


def _interfaces() -> Iterator[str]:
    """Describe each interface: its docstring, and its inputs and outputs from their traits."""
    from clinica_t1nce import interfaces

    for name in interfaces.__all__:
        interface = getattr(interfaces, name)
        yield f"::: {interface.__module__}.{name}"
        yield ""
        yield from _traits("Inputs", interface.input_spec())
        yield from _traits("Outputs", interface.output_spec())


def _traits(title: str, spec: Any) -> Iterator[str]:
    described = spec.traits(desc=lambda text: text is not None)
    if described:
        yield f"**{title}**"
        yield ""
    for name, trait in sorted(described.items(), key=lambda item: (not item[1].mandatory, item[0])):
        kind = " ".join(trait.full_info(None, name, None).split())
        kind = PATHLIKE.sub(r"\1\2", kind).replace("items which are ", "")
        kind = re.sub(r"^an? ", "", kind)
        notes = ["required"] if trait.mandatory else []
        if trait.usedefault:
            notes.append(f"default `{trait.default!r}`")
        kind = "; ".join([_prose(kind), *notes])
        yield from _definition(f"`{name}` <small>({kind})</small>", _prose(trait.desc))


def _workflows() -> Iterator[str]:
    """Describe each function that builds a graph."""
    from clinica_t1nce import workflows

    for name in workflows.__all__:
        yield f"::: {getattr(workflows, name).__module__}.{name}"
        yield ""


BLOCKS = {"commands": _commands, "interfaces": _interfaces, "workflows": _workflows}


# Checks


class Faults(HTMLParser):
    """What a page must not have: things loaded from elsewhere, pictures that say nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        given = dict(attrs)
        loaded = given.get("src") or (given.get("href") if tag == "link" else None) or ""
        if re.match(r"(https?:)?//", loaded) and given.get("rel") != "canonical":
            self.found.append(f"loads {loaded}")
        if tag == "img" and not (given.get("alt") or "").strip():
            self.found.append(f"has a picture without alt text: {loaded}")


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse pages that load anything from elsewhere, and pictures without alt text."""
    site = Path(config.site_dir)
    for path in sorted(site.rglob("*.html")):
        faults = Faults()
        faults.feed(path.read_text(encoding="utf-8"))
        if faults.found:
            raise PluginError(f"{path.relative_to(site)} {faults.found[0]}")
