"""The ``clinica-t1nce`` script."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from clinica_t1nce import __version__, errors
from clinica_t1nce.cli import main
from clinica_t1nce.plugin import PIPELINES


def invoke(*args: str):
    return CliRunner().invoke(main.cli, args)


def test_version_names_the_four():
    lines = invoke("--version").output.splitlines()
    assert [line.split()[0] for line in lines] == ["clinica-t1nce", "clinica", "nipype", "torch"]
    assert lines[0] == f"clinica-t1nce {__version__}"


def test_lists_the_pipelines():
    output = invoke("run", "--help").output
    assert all(name in output for name in PIPELINES)


def test_lists_the_commands():
    output = invoke("-h").output
    assert all(f"  {name} " in output for name in ["run", *main.COMMANDS])


@pytest.mark.parametrize("name", main.COMMANDS)
def test_command_is_there(name):
    result = invoke(name, "--help")
    assert result.exit_code == 0, result.output
    assert f"Usage: cli {name}" in result.output


@pytest.mark.parametrize("name", PIPELINES)
def test_pipeline_is_there(name):
    result = invoke("run", name, "--help")
    assert result.exit_code == 0, result.output
    assert f"Usage: cli run {name}" in result.output


def test_wrong_usage():
    assert invoke("run", "no-such-pipeline").exit_code == 2


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from clinica_t1nce.cli.main import cli\n"
        "cli(['run', '--help'], standalone_mode=False)\n"
        "print(sorted({'torch', 'nipype', 'clinica', 'numpy', 'nibabel'} & set(sys.modules)))\n"
    )
    output = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert output.splitlines()[-1] == "[]"


def end(monkeypatch, error: Exception) -> int | str | None:
    """Exit code of a command that raises ``error``."""

    def fail():
        raise error

    monkeypatch.setattr(main, "cli", click.Command("fail", callback=fail))
    monkeypatch.setattr(sys, "argv", ["clinica-t1nce"])
    with pytest.raises(SystemExit) as caught:
        main.main()
    return caught.value.code


def test_our_errors_are_one_line(monkeypatch, capsys):
    assert end(monkeypatch, errors.ImageError("a.nii.gz: empty; mend: export it again")) == 1
    captured = capsys.readouterr()
    assert captured.err == "Error: a.nii.gz: empty; mend: export it again\n"
    assert captured.out == ""


def test_clinica_errors_are_one_line(monkeypatch, capsys):
    from clinica.utils.exceptions import ClinicaCAPSError

    assert end(monkeypatch, ClinicaCAPSError("no CAPS")) == 1
    assert capsys.readouterr().err == "Error: no CAPS\n"


def test_missing_extra_is_named(monkeypatch, capsys):
    error = ModuleNotFoundError("No module named 'lightning'", name="lightning")
    assert end(monkeypatch, error) == 1
    assert "pip install 'clinica-t1nce[train]'" in capsys.readouterr().err


def test_bugs_keep_their_traceback(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        end(monkeypatch, ZeroDivisionError())
    with pytest.raises(ModuleNotFoundError):
        end(monkeypatch, ModuleNotFoundError("No module named 'numpy'", name="numpy"))


def test_pipeline_sets_clinica_logging_up(monkeypatch):
    import clinica.cmdline

    verbosities = []
    monkeypatch.setattr(
        clinica.cmdline, "setup_logging", lambda verbose: verbosities.append(verbose)
    )
    main.set_up_clinica_logging()
    with main.cli.make_context("clinica-t1nce", ["-v", "run"]):
        main.set_up_clinica_logging()
    assert verbosities == [False, True]
