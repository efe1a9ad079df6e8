"""The list of our pipelines, and how it joins Clinica's."""

import sys

import click
import pytest
from click.testing import CliRunner

from clinica_t1nce.plugin import PIPELINES, CommandSource, LazyCommand, register


@pytest.fixture
def run_group(monkeypatch):
    """Clinica's group of pipelines, without ours, restored afterwards."""
    from clinica.pipelines.cli import cli

    theirs = {name: command for name, command in cli.commands.items() if name not in PIPELINES}
    monkeypatch.setattr(cli, "commands", theirs)
    return cli


def test_register_appends_ours(run_group):
    theirs = list(run_group.commands)
    register()
    assert list(run_group.commands) == [*theirs, *PIPELINES]


def test_register_twice_changes_nothing(run_group):
    register()
    first = dict(run_group.commands)
    register()
    assert run_group.commands == first


def test_register_keeps_a_command_of_the_same_name(run_group):
    name = next(iter(PIPELINES))
    theirs = click.Command(name)
    run_group.add_command(theirs)
    register()
    assert run_group.commands[name] is theirs


def test_listing_imports_no_pipeline(run_group, monkeypatch):
    modules = {source.module for source in PIPELINES.values()}
    for module in modules:
        monkeypatch.delitem(sys.modules, module, raising=False)
    register()
    text = run_group.get_help(click.Context(run_group))
    assert all(name in text for name in PIPELINES)
    assert not modules & set(sys.modules)


@pytest.mark.parametrize("name", PIPELINES)
def test_source_is_the_command(name):
    command = LazyCommand(name, PIPELINES[name]).load()
    assert command.name == name


@pytest.mark.parametrize("name", PIPELINES)
def test_pipeline_has_its_info(repository, name):
    folder = repository / "clinica_t1nce" / "pipelines" / name.replace("-", "_")
    assert (folder / "info.json").is_file()


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
