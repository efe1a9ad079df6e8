"""What README and docs say, against the files and the commands that are there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from clinica_t1nce.cli import main

LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)")
BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")
SELF_EXPLAINING = {"--help"}

Spellings = list[set[str]]


@pytest.fixture(scope="module")
def pages(repository) -> dict[Path, str]:
    paths = [repository / "README.md", repository / "benchmarks" / "README.md"]
    paths += [repository / "CHANGELOG.md", *sorted((repository / "docs").rglob("*.md"))]
    return {path: path.read_text(encoding="utf-8") for path in paths}


@pytest.fixture(scope="module")
def commands() -> dict[str, Spellings]:
    """The options of each command, as it is typed, each with all its spellings."""
    return dict(find_commands(main.cli, "clinica-t1nce"))


def find_commands(command: click.Command, name: str) -> Iterator[tuple[str, Spellings]]:
    # With its settings: a group remembers its help option as it was first asked for.
    context = click.Context(command, **command.context_settings)
    params = command.get_params(context)
    # Clinica's option groups are headings: options without a spelling.
    yield name, [set(p.opts) for p in params if isinstance(p, click.Option) and p.opts]
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            yield from find_commands(command.get_command(context, word), f"{name} {word}")


def anchors(text: str) -> set[str]:
    """Name headings as GitHub does."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def typed(text: str) -> Iterator[list[str]]:
    """Give the words of each command of ours in a page's shell blocks."""
    for block in SHELL.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:2] == ["clinica", "run"] and words[2].startswith("t1-synth-nce"):
                yield ["clinica-t1nce", *words[1:]]
            elif words[:1] == ["clinica-t1nce"]:
                yield words


def test_links_lead_somewhere(pages):
    broken = []
    for page, text in pages.items():
        for path, anchor in LINK.findall(BLOCK.sub("", text)):
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                broken.append(f"{page.name}: {path}")
            elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
                broken.append(f"{page.name}: {path}#{anchor}")
    assert not broken


def test_every_command_and_option_is_named(pages, commands):
    text = "\n".join(pages.values())
    named = {*OPTION.findall(text), *SELF_EXPLAINING}
    missing = [
        command
        for command in commands
        # Pipelines are in Clinica's own command, too.
        if command not in text and command.replace("clinica-t1nce", "clinica", 1) not in text
    ]
    missing += [
        f"{command} {'/'.join(sorted(spellings))}"
        for command, options in commands.items()
        for spellings in options
        if not spellings & named
    ]
    assert not missing


def test_commands_in_shell_blocks_are_there_with_their_options(pages, commands):
    n_seen, wrong = 0, []
    for page, text in pages.items():
        for words in typed(text):
            length = 3 if words[1] == "run" else 2
            command = " ".join(words[:length])
            known = set().union(*commands.get(command, []))
            unknown = [w for w in words if OPTION.fullmatch(w) and w not in known]
            wrong += [f"{page.name}: {command} {option}" for option in unknown]
            wrong += [] if command in commands else [f"{page.name}: {command}"]
            n_seen += 1
    assert n_seen > 20
    assert not wrong
