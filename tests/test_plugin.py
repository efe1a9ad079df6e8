"""The list of our pipelines, and how it joins Clinica's."""

import sys

import click
import pytest

from clinica_t1nce.plugin import PIPELINES, LazyCommand, register


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
