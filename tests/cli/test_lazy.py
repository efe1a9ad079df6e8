"""Commands imported on demand."""

import sys

import click
import pytest
from click.testing import CliRunner

from clinica_t1nce.plugin import CommandSource, LazyCommand

REAL = """
import click

@click.command("greet")
@click.argument("name")
@click.option("--loud", is_flag=True, help="Shout.")
def cli(name, loud):
    "Say hello."
    click.echo(name.upper() if loud else name)
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Write a module, and give the lazy command for it."""

    def make(text: str = REAL, **options) -> LazyCommand:
        (tmp_path / "lazily_loaded.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "lazily_loaded", raising=False)
        return LazyCommand("greet", CommandSource("lazily_loaded", "cli", "Short."), **options)

    return make


@pytest.fixture
def group(make):
    return click.Group("group", {"greet": make()})


def run(command: click.Command, *args: str):
    return CliRunner().invoke(command, args)


def test_listing_does_not_import(group):
    result = run(group, "--help")
    assert "greet  Short." in result.output
    assert "lazily_loaded" not in sys.modules


@pytest.mark.parametrize(("args", "output"), [(["you"], "you\n"), (["you", "--loud"], "YOU\n")])
def test_call_reaches_the_command(group, make, args, output):
    assert run(group, "greet", *args).output == output
    assert run(make(), *args).output == output


def test_help_is_the_real_one(group):
    output = run(group, "greet", "--help").output
    assert "Usage: group greet [OPTIONS] NAME" in output
    assert "Say hello." in output
    assert "Shout." in output


def test_real_parameters_without_a_call(make):
    command = make()
    context = click.Context(command)
    assert [p.name for p in command.get_params(context)][:2] == ["name", "loud"]
    assert "Shout." in command.get_help(context)
    assert command.to_info_dict(context)["params"][0]["name"] == "name"


def test_wrong_usage_is_exit_code_2(group):
    assert run(group, "greet").exit_code == 2


@pytest.mark.parametrize(
    ("args", "calls"), [(["you"], 1), (["--help"], 0), ([], 0), (["you", "--nonsense"], 0)]
)
def test_before_run(make, args, calls):
    called = []
    run(click.Group("group", {"greet": make(before_run=lambda: called.append(1))}), "greet", *args)
    assert len(called) == calls


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise RuntimeError('one\\ntwo')", "RuntimeError: one two"),
        ("import not_to_be_found", "No module named 'not_to_be_found'"),
        ("cli = 3", "lazily_loaded:cli is not a click command"),
        ("", "has no attribute 'cli'"),
    ],
)
def test_broken_command_is_one_line(make, text, reason):
    result = run(click.Group("group", {"greet": make(text)}), "greet", "you")
    assert result.exit_code == 1
    assert reason in result.output
    assert len(result.output.splitlines()) == 1
