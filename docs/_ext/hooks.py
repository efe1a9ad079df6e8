"""What MkDocs does not do by itself.

Pages of files that lie outside of ``docs/`` (changelog, benchmarks, examples), links to these,
blocks that are made of the package as it is (commands, traits of interfaces), and checks of the
pages as they were built.
"""

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
MARKER = re.compile(r"^<!-- (commands|interfaces|workflows) -->$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages and files that lie outside of ``docs/``."""
    outside = {source: target for source, target in OUTSIDE.items() if target != "index.md"}
    for path in sorted((ROOT / "examples").iterdir()):
        if path.is_file():
            outside[f"examples/{path.name}"] = f"examples/{path.name}"
    for source, target in outside.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if target.endswith(".md"):
            text = _link_to_site(text, posixpath.dirname(source), target)
        files.append(File.generated(config, target, content=text))
    return files


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
        return match[1] + posixpath.relpath(target, posixpath.dirname(page) or ".")

    return LINK.sub(rewrite, markdown)


# Blocks


def _commands() -> Iterator[str]:
    """Describe each command from its own click command, in the order of ``--help``."""
    from clinica_t1nce.cli.main import cli

    yield from _group(cli, "clinica-t1nce")


def _group(group: click.Group, name: str) -> Iterator[str]:
    for word in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), word)
        if isinstance(command, click.Group):
            yield from _group(command, f"{name} {word}")
            continue
        source = command.source
        yield "::: mkdocs-click"
        yield f"    :module: {source.module}"
        yield f"    :command: {source.attribute}"
        yield f"    :prog_name: {name} {word}"
        yield "    :depth: 1"
        yield "    :style: table"
        yield ""


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
    rows = [_trait(name, trait) for name, trait in sorted(spec.traits(desc=_is_given).items())]
    if rows:
        yield f"**{title}**"
        yield ""
        yield "| name | type | | meaning |"
        yield "|---|---|---|---|"
        yield from rows
        yield ""


def _is_given(description: str | None) -> bool:
    return description is not None


def _trait(name: str, trait: Any) -> str:
    kind = " ".join(trait.full_info(None, name, None).split())
    kind = re.sub(r"^(an?|the) ", "", kind)
    default = trait.default if trait.usedefault else None
    note = "required" if trait.mandatory else f"`{default!r}`" if default is not None else ""
    cells = (cell.replace("|", "\\|") for cell in (f"`{name}`", kind, note, trait.desc))
    return f"| {' | '.join(cells)} |"


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
