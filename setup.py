"""Adds the start-up file to wheels and editable installs; all else is in setup.cfg."""

import ast
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

STARTUP_FILE = "clinica_t1nce.pth"
STARTUP_MODULE = "clinica_t1nce.startup"


def startup_line() -> str:
    """Pack ``clinica_t1nce/startup.py`` into the one line that Python's ``site`` runs."""
    source = Path(__file__).parent / "clinica_t1nce" / "startup.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node):
            del node.body[0]
    # site runs the files of a virtual environment twice. The code gets a namespace of its own
    # because it runs inside one of site's functions.
    started = f"{STARTUP_MODULE!r} in [getattr(f, '__module__', '') for f in sys.meta_path]"
    run = f"exec({ast.unparse(tree)!r}, {{'__name__': {STARTUP_MODULE!r}}})"
    return f"import sys; {started} or {run}\n"


class BuildWithStartupFile(build_py):
    """``build_py`` that puts the start-up file beside the package, in site-packages."""

    def _startup_path(self) -> Path:
        # An editable wheel takes from the build folder nothing that lies outside the packages,
        # but all that is in its installation folder.
        folder = (
            self.get_finalized_command("install").install_lib
            if self.editable_mode
            else self.build_lib
        )
        return Path(folder) / STARTUP_FILE

    def run(self) -> None:
        super().run()
        path = self._startup_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(startup_line(), encoding="ascii")

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs = super().get_outputs(include_bytecode)
        return outputs if self.editable_mode else [*outputs, str(self._startup_path())]


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithStartupFile})
