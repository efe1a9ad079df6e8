import click
import nipype
import pytest
from click.testing import CliRunner

from clinica_t1nce.errors import OutputError
from clinica_t1nce.pipelines.clinica_quirks import TidyCommand, move_nipype_log


@pytest.fixture
def log(tmp_path, monkeypatch):
    """The log as `clinica` opens it: in the current folder."""
    before = {key: nipype.config.get("logging", key) for key in ("log_to_file", "log_directory")}
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLINICA_LOGGING_DIR", raising=False)
    nipype.config.update_config(
        {"logging": {"log_directory": str(tmp_path), "log_to_file": "true"}}
    )
    nipype.logging.update_logging(nipype.config)
    path = tmp_path / "pypeline.log"
    assert path.exists()
    yield path
    handler = nipype.logging._hdlr
    nipype.config.update_config({"logging": before})
    nipype.logging.update_logging(nipype.config)
    if handler is not None:
        handler.close()


def test_an_empty_log_goes(log):
    move_nipype_log(None)
    assert not log.exists()


def test_a_log_with_content_stays(log):
    log.write_text("of another run\n")
    move_nipype_log(None)
    assert log.read_text() == "of another run\n"


def test_the_log_moves_to_a_folder(log, tmp_path):
    folder = tmp_path / "work" / "here"
    move_nipype_log(folder)
    assert not log.exists()
    assert (folder / "pypeline.log").exists()


def test_a_folder_that_cannot_be_made_is_named(log, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/x: cannot be made .*another folder with -wd"):
        move_nipype_log(tmp_path / "file" / "x")


def test_the_users_own_choice_is_kept(log, monkeypatch, tmp_path):
    monkeypatch.setenv("CLINICA_LOGGING_DIR", str(tmp_path))
    move_nipype_log(None)
    assert log.exists()


@pytest.mark.parametrize("arguments", [["--help"], ["--wrong"], []])
def test_nothing_is_left_by_help_or_wrong_usage(log, arguments):
    command = TidyCommand("x", callback=lambda: click.echo("ran"))
    CliRunner().invoke(command, arguments)
    assert not log.exists()
