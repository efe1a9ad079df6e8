"""What a run leaves for its reader: configuration, versions, the table of its losses."""

import json
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from clinica_t1nce import __version__
from clinica_t1nce.errors import TrainingError
from clinica_t1nce.files import atomic
from clinica_t1nce.files.text import read_json, read_rows, table_text, write_text

CONFIG = "config.json"
METRICS = "metrics.tsv"
CHECKPOINT = "checkpoints/last.ckpt"

_VERSIONED = ("torch", "lightning", "numpy", "scipy", "nibabel", "torchio")

Row = Mapping[str, float]


def refuse_another(output: Path, settings: Mapping[str, Any]) -> None:
    """Refuse a folder with a run of other settings, if there is something to go on from.

    Parameters
    ----------
    output
        Folder of the run; need not exist.
    settings
        Settings, which a run that goes on must share.

    Raises
    ------
    TrainingError
        If it holds a checkpoint and other settings, or something else by the configuration's name.
    """
    config = output / CONFIG
    if not config.exists() or not any(output.glob(f"**/{CHECKPOINT}")):
        return
    wanted = json.loads(json.dumps(settings))
    try:
        found = read_json(config)["settings"]
    except (ValueError, KeyError) as error:
        raise TrainingError(
            f"{config}: not the configuration of a run ({error}); name another folder"
        ) from error
    other = sorted(key for key in wanted if found.get(key) != wanted[key])
    if other:
        raise TrainingError(
            f"{output}: holds a run with other settings ({', '.join(other)}); "
            "repeat the command of that run to go on with it, or name another folder"
        )


def begin(output: Path, settings: Mapping[str, Any], **more: Any) -> None:
    """Write the run's configuration, unless the run goes on.

    Parameters
    ----------
    output
        Folder of the run; made if missing.
    settings
        Settings, as for :func:`refuse_another`, which is called.
    **more
        Entries to write beside them, which are not compared.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    refuse_another(output, settings)
    config = output / CONFIG
    if config.exists() and any(output.glob(f"**/{CHECKPOINT}")):
        return
    content = {"settings": settings, **more, "versions": versions(), "git": git_hash()}
    with atomic.temporary(config) as part:
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Return the versions of what a result depends on."""
    found = {"clinica-t1nce": __version__, "python": platform.python_version()}
    for name in _VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_hash() -> str | None:
    """Return the running commit, with ``+`` if files were changed; None if it is installed."""
    commands = (
        ["git", "ls-files", "--error-unmatch", Path(__file__).name],
        ["git", "describe", "--always", "--dirty=+", "--abbrev=40", "--exclude=*"],
    )
    folder, said = Path(__file__).resolve().parent, ""
    try:
        for command in commands:
            said = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=True
            ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return said.strip()


class Metrics:
    """``metrics.tsv``: one row each time that the losses were looked at."""

    def __init__(self, path: Path):
        self.path = path
        self.rows: list[Row] = []

    def resume(self, step: int) -> None:
        """Read what is there up to a step; what came after it will come again."""
        self.rows = []
        if step and self.path.exists():
            for cells in read_rows(self.path, ["step"]):
                row = {name: float(cell) for name, cell in cells.items() if cell != "n/a"}
                if row["step"] <= step:
                    self.rows.append(row)

    def add(self, row: Row) -> None:
        """Append a row and write the table."""
        self.rows.append(row)
        header = list(dict.fromkeys(name for row in self.rows for name in row))
        rows = ({name: f"{value:.8g}" for name, value in row.items()} for row in self.rows)
        write_text(self.path, table_text(rows, header))
