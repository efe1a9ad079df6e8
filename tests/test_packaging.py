"""What setup.cfg and setup.py make: metadata, wheel, and installations in fresh environments."""

import ast
import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import clinica_t1nce
from clinica_t1nce.plugin import PIPELINES

STARTUP_FILE = "clinica_t1nce.pth"
PACKAGED = ["setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE", "clinica_t1nce"]
DISTRIBUTIONS = {
    "PIL": "pillow",
    "ants": "antspyx",
    "bids": "pybids",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}


@pytest.fixture(scope="module")
def config(repository):
    parser = configparser.ConfigParser()
    parser.read(repository / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def declared(config) -> set[str]:
    """Names of all direct requirements, the extras' too."""
    lists = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    lines = [line for text in lists for line in text.splitlines() if line.strip()]
    return {canonicalize_name(Requirement(line).name) for line in lines}


# --- metadata


def test_entry_points_are_the_plugin_list(config):
    lines = config["options.entry_points"]["clinica.pipelines"].split("\n")
    entries = dict(line.split(" = ") for line in lines if line)
    assert entries == {name: f"{s.module}:{s.attribute}" for name, s in PIPELINES.items()}


def test_no_script_of_clinicas_name(config):
    scripts = config["options.entry_points"]["console_scripts"].split()
    assert "clinica" not in scripts
    assert "clinica-t1nce" in scripts


def test_imports_are_declared(repository, declared):
    imported = set()
    for file in (repository / "clinica_t1nce").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    imported -= {*sys.stdlib_module_names, "clinica_t1nce"}
    assert {canonicalize_name(DISTRIBUTIONS.get(name, name)) for name in imported} <= declared


def test_constraints_pin_what_is_declared_for_one_python_only(repository, declared):
    lines = (repository / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert declared <= {canonicalize_name(pin.name) for pin in pins}
    assert {str(pin.marker) for pin in pins} == {'python_version == "3.11"'}
    assert all(re.fullmatch(r"==[\d.]+", str(pin.specifier)) for pin in pins)


def test_citation_has_our_version(repository):
    assert f"\nversion: {clinica_t1nce.__version__}\n" in (repository / "CITATION.cff").read_text()


# --- builds and installations


def clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def call(*command: object, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )


def checked(*command: object, cwd: Path) -> str:
    done = call(*command, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def source(repository, tmp_path) -> Path:
    """A copy of what packages are made from: builds leave files in their source tree."""
    return copy_source(repository, tmp_path / "source")


def copy_source(repository: Path, target: Path) -> Path:
    target.mkdir()
    for name in PACKAGED:
        original = repository / name
        if original.is_dir():
            shutil.copytree(original, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(original, target)
    return target


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    tree = copy_source(repository, folder / "source")
    # What `pip install FOLDER` does first.
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder]
    checked(sys.executable, "-m", "pip", "wheel", *options, tree, cwd=folder)
    return next(folder.glob("*.whl"))


def test_wheel_holds_the_package_and_the_startup_file_only(repository, wheel):
    data = [
        "py.typed",
        "weights/*.safetensors",
        "weights/*.json",
        "weights/*.md",
        "bids/*.tsv",
        "datasets/texts/*",
        "evaluation/*.json",
        "pipelines/bundle_files/*",
        "pipelines/*/info.json",
        "report/templates/*",
        "evaluation/*.tsv",
        "evaluation/*.nii.gz",
        "synthesis/*.nii.gz",
    ]
    package = repository / "clinica_t1nce"
    files = [file for pattern in ["**/*.py", *data] for file in package.glob(pattern)]
    expected = {file.relative_to(repository).as_posix() for file in files}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert wheel.name.endswith("-py3-none-any.whl")
    assert {name for name in names if ".dist-info/" not in name} == {*expected, STARTUP_FILE}


def test_startup_file_is_one_line_of_ascii(wheel):
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(STARTUP_FILE).decode("ascii")
    assert text.startswith("import sys; ")
    assert text.count("\n") == 1
    assert text.endswith("\n")


class Environment:
    """A fresh virtual environment that sees the outer one's packages, except ours.

    They are linked in, several GB not being worth a download for each test. Start-up files of
    linked packages are not run, nor is our outer installation to be seen.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        scripts = sysconfig.get_path("scripts", vars={"base": str(folder / "venv")})
        self.python = Path(scripts) / "python"
        self.site = Path(self.run("import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        links = folder / "dependencies"
        links.mkdir()
        for scheme in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
            for item in Path(scheme).iterdir():
                ours = "clinica_t1nce" in item.name or "clinica-t1nce" in item.name
                if not ours and item.suffix != ".pth":
                    (links / item.name).symlink_to(item)
        (self.site / "dependencies.pth").write_text(f"{links}\n")
        self.clinica = self._script("clinica", "clinica.cmdline")
        self.files_before = self.files()

    def _script(self, name: str, module: str) -> Path:
        path = self.python.with_name(name)
        path.write_text(f"#!{self.python}\nimport sys\nfrom {module} import main\nsys.exit(main())")
        path.chmod(0o755)
        return path

    def files(self) -> set[str]:
        """All files of the environment, caches aside."""
        names = (path.relative_to(self.folder / "venv") for path in self.site.parents[2].rglob("*"))
        return {str(name) for name in names if "__pycache__" not in name.parts}

    def run(self, code: str) -> str:
        return checked(self.python, "-c", code, cwd=self.folder)

    def modules_at_start(self) -> list[str]:
        return json.loads(self.run("import sys, json; print(json.dumps(sorted(sys.modules)))"))

    def pip(self, *arguments: object) -> str:
        pip = [sys.executable, "-m", "pip", "--python", self.python]
        return checked(*pip, *arguments, cwd=self.folder)


def install(way: str, environment: Environment, source: Path, wheel: Path) -> None:
    what = {"wheel": [wheel], "editable": ["--editable", source]}[way]
    options = ["--no-deps", "--no-build-isolation", "--no-index"]
    environment.pip("install", *options, *what)


def test_environment_sees_clinica_and_not_us(tmp_path):
    environment = Environment(tmp_path)
    found = environment.run(
        "from importlib.util import find_spec\n"
        "from importlib.metadata import distributions\n"
        "print(find_spec('clinica') is not None, find_spec('clinica_t1nce') is not None,\n"
        "      'clinica-t1nce' in {d.name for d in distributions()})"
    )
    assert found.split() == ["True", "False", "False"]


@pytest.fixture(scope="module")
def help_before(tmp_path_factory) -> str:
    """What `clinica run --help` says where we are not installed."""
    environment = Environment(tmp_path_factory.mktemp("bare"))
    text = checked(environment.clinica, "run", "--help", cwd=environment.folder)
    assert "t1-linear" in text
    assert "t1-synth-nce" not in text
    return text


@pytest.mark.slow
@pytest.mark.parametrize("way", ["wheel", "editable"])
def test_install_run_break_uninstall(way, tmp_path, source, wheel, help_before):
    environment = Environment(tmp_path)
    modules_before = environment.modules_at_start()
    install(way, environment, source, wheel)
    assert (environment.site / STARTUP_FILE).is_file()
    assert environment.modules_at_start() == modules_before

    listed = checked(environment.clinica, "run", "--help", cwd=tmp_path)
    assert listed.startswith(help_before)
    assert "t1-synth-nce  " in listed
    own_help = call(environment.clinica, "run", "t1-synth-nce", "--help", cwd=tmp_path)
    assert (own_help.returncode, own_help.stderr) == (0, "")
    assert "Usage: clinica run t1-synth-nce [OPTIONS] CAPS_DIRECTORY" in own_help.stdout
    assert "--device" in own_help.stdout
    script = environment.python.with_name("clinica-t1nce")
    assert "t1-synth-nce" in checked(script, "run", "--help", cwd=tmp_path)

    location = "import clinica_t1nce.plugin as p; print(p.__file__)"
    plugin = Path(environment.run(location).strip())
    assert plugin.is_relative_to(source if way == "editable" else environment.site)
    intact = plugin.read_text()
    plugin.write_text("raise RuntimeError('broken\\non two lines')\n")
    broken = call(environment.clinica, "run", "--help", cwd=tmp_path)
    assert (broken.returncode, broken.stdout) == (0, help_before)
    assert len(broken.stderr.splitlines()) == 1
    assert "RuntimeError: broken on two lines" in broken.stderr
    plugin.write_text(intact)

    left_behind = (environment.site / STARTUP_FILE).read_text()
    environment.pip("uninstall", "--yes", "clinica-t1nce")
    assert environment.files() == environment.files_before
    assert environment.modules_at_start() == modules_before
    after = call(environment.clinica, "run", "--help", cwd=tmp_path)
    assert (after.returncode, after.stdout, after.stderr) == (0, help_before, "")

    (environment.site / STARTUP_FILE).write_text(left_behind)
    start = call(environment.python, "-c", "", cwd=tmp_path)
    assert (start.returncode, start.stderr) == (0, "")
