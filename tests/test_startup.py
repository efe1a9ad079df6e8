"""The start-up hook, in fresh interpreters, with stand-ins for Clinica and for our plug-in."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def python(tmp_path, repository):
    """Run Python code in a folder with a stand-in ``clinica`` after the hook was started."""
    line = runpy.run_path(str(repository / "setup.py"))["startup_line"]()
    (tmp_path / "clinica").mkdir()
    (tmp_path / "clinica" / "__init__.py").touch()
    (tmp_path / "clinica" / "cmdline.py").write_text("print('cmdline runs')\n")

    def run(code: str, *, starts: int = 1, before: str = "") -> subprocess.CompletedProcess:
        # As site does: inside a function.
        script = f"def site(line): exec(line)\nimport sys; {before}\n"
        script += f"site({line!r})\n" * starts + code
        # -S: without the hook of the environment that runs the tests.
        return subprocess.run(
            [sys.executable, "-S", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def plugin(tmp_path) -> Path:
    """A stand-in plug-in that says when it registers."""
    package = tmp_path / "clinica_t1nce"
    package.mkdir()
    (package / "__init__.py").touch()
    file = package / "plugin.py"
    file.write_text("def register(): print('registered')\n")
    return file


@pytest.mark.parametrize(
    "code",
    [
        "import clinica.cmdline",
        "import runpy; runpy.run_module('clinica.cmdline', run_name='__main__')",
    ],
)
@pytest.mark.parametrize("starts", [1, 2])
def test_registers_before_clinica_runs(python, plugin, code, starts):
    done = python(code, starts=starts)
    assert done.stdout.split("\n") == ["registered", "cmdline runs", ""]
    assert done.stderr == ""


@pytest.mark.parametrize(
    "code", ["import clinica, json", "import importlib.util as u; u.find_spec('clinica.cmdline')"]
)
def test_leaves_other_imports_alone(python, plugin, code):
    done = python(code + "; import sys; print('clinica_t1nce' in sys.modules)")
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_starts_once(python):
    code = "print(sum(getattr(f, '__module__', '') == 'clinica_t1nce.startup' for f in {}))"
    assert python(code.format("sys.meta_path"), starts=2).stdout == "1\n"


def test_loads_no_module(python):
    done = python("print(sorted(set(sys.modules) - before))", before="before = set(sys.modules)")
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    "broken",
    [
        "raise RuntimeError('broken\\non two lines')",
        "this is no Python",
        "import module_that_is_missing",
        "def register(): raise KeyError",
        "",
    ],
)
def test_broken_plugin_is_one_line(python, plugin, broken):
    plugin.write_text(broken)
    done = python("import clinica.cmdline")
    assert (done.returncode, done.stdout) == (0, "cmdline runs\n")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("clinica-t1nce: its pipelines are missing from Clinica (")


def test_missing_package_is_one_line_and_only_for_clinica(python):
    assert python("import json").stderr == ""
    done = python("import clinica.cmdline")
    assert done.stdout == "cmdline runs\n"
    assert len(done.stderr.splitlines()) == 1
    assert "ModuleNotFoundError" in done.stderr


def test_absent_clinica_is_no_concern_of_ours(python, tmp_path):
    (tmp_path / "clinica" / "cmdline.py").unlink()
    done = python("import clinica.cmdline")
    assert "No module named 'clinica.cmdline'" in done.stderr
    assert "clinica-t1nce" not in done.stderr


def test_loader_that_takes_no_hook(python, plugin):
    code = (
        "import importlib.machinery, sys\n"
        "class Loader:\n"
        "    __slots__ = ()\n"
        "    def create_module(self, spec): return None\n"
        "    def exec_module(self, module): print('loaded')\n"
        "class Finder:\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name == 'clinica.cmdline':\n"
        "            return importlib.machinery.ModuleSpec(name, Loader())\n"
        "sys.meta_path.insert(1, Finder)\n"
        "import clinica.cmdline\n"
    )
    done = python(code)
    assert (done.stdout, done.stderr) == ("loaded\n", "")
