"""What the documentation site makes of the package, and what it refuses."""

import importlib.util
import sys

import click
import pytest

from clinica_t1nce import interfaces, workflows
from clinica_t1nce.cli import main
from tests.test_documentation import find_commands

ELSEWHERE = {"cli", "interfaces", "weights", "workflows"}
"""Folders of the package that are on pages of their own kind, or hold no code."""


def load(repository, name):
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    spec = importlib.util.spec_from_file_location(name, repository / "docs/_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def hooks(repository):
    return load(repository, "hooks")


def test_every_room_has_a_page(repository):
    rooms = {p.name for p in (repository / "clinica_t1nce").iterdir() if p.is_dir()}
    rooms = {*rooms, "errors"} - {"__pycache__"} - ELSEWHERE
    pages = (repository / "docs/reference").glob("*.md")
    named = {line for page in pages for line in page.read_text("utf-8").splitlines()}
    assert len(rooms) > 10
    assert {room for room in rooms if f"::: clinica_t1nce.{room}" not in named} == set()


def test_page_of_commands_has_every_command_and_option(hooks):
    text = "\n".join(hooks.BLOCKS["commands"]())
    missing = [
        f"{command} {spelling}"
        for command, options in find_commands(main.cli, "clinica-t1nce")
        if command not in ("clinica-t1nce", "clinica-t1nce run")
        for spelling in [f"## `{command}`", *("/".join(option) for option in options)]
        if not any(part in text for part in spelling.split("/"))
    ]
    assert missing == []


def test_help_texts_are_not_taken_for_markup(hooks):
    @click.command(help="Goes to subjects/<sub>/*_T1w. With --flat, [not].\n\n\b\na  b\nc  d")
    @click.option("--flat", is_flag=True, help="Say `no --flat` or -f.")
    def command():
        """Do nothing."""

    text = "\n".join(hooks._command(command, click.Context(command, info_name="go")))
    assert "subjects/&lt;sub&gt;/\\*\\_T1w. With `--flat`, \\[not\\]." in text
    assert "```text\na  b\nc  d\n```" in text
    assert ":   Say `no --flat` or -f." in text


def test_pages_of_interfaces_and_workflows_have_all(hooks):
    text = "\n".join(hooks.BLOCKS["interfaces"]())
    assert [n for n in interfaces.__all__ if f".{n}\n" not in text] == []
    assert "`in_files` <small>(list of file; required)</small>" in text
    text = "\n".join(hooks.BLOCKS["workflows"]())
    assert [n for n in workflows.__all__ if f".{n}\n" not in text] == []


@pytest.mark.parametrize(
    ("link", "page", "expected"),
    [
        ("../benchmarks/README.md#patches", "networks.md", "benchmarks.md#patches"),
        ("../../examples/nipype_graph.py", "tutorials/graph.md", "../examples/nipype_graph.py"),
        ("../CITATION.cff", "citation.md", "CITATION.cff"),
        ("spaces.md#pictures", "faq.md", "spaces.md#pictures"),
        ("https://example.org/x.md", "faq.md", "https://example.org/x.md"),
    ],
)
def test_links_that_leave_docs_lead_to_pages(hooks, link, page, expected):
    folder = "docs/tutorials" if "/" in page else "docs"
    assert hooks._link_to_site(f"[a]({link})", folder, page) == f"[a]({expected})"


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        ('<script src="https://example.org/a.js">', "loads https://example.org/a.js"),
        ('<link rel="stylesheet" href="//example.org/a.css">', "loads //example.org/a.css"),
        ('<img src="a.png" alt="">', "has a picture without alt text: a.png"),
        ('<img src="a.png" alt="A head">', None),
        ('<a href="https://example.org">', None),
        ('<script src="a.js">', None),
    ],
)
def test_pages_load_nothing_from_elsewhere_and_describe_pictures(hooks, element, fault):
    faults = hooks.Faults()
    faults.feed(element)
    assert faults.found == ([fault] if fault else [])


def test_roles_become_links_and_directives_go(repository):
    pytest.importorskip("griffe", reason="the extra docs is not installed")
    from griffe import Module

    roles = load(repository, "roles")
    text = """Of :func:`~clinica_t1nce.a`.

Workflow Graph
    .. workflow::
        :simple_form: yes

    ::

        x --> y

Parameters
----------
x
    A number.

Inputs
------
in_file, mask
    One image.
"""
    found = roles.to_markdown(text, Module("clinica_t1nce"))
    assert (
        found
        == """Of <autoref identifier="clinica_t1nce.a" optional><code>a</code></autoref>.

Its graph:

```text
x --> y
```

Parameters
----------
x
    A number.

Inputs
------
- **in_file, mask**:
    One image."""
    )
