"""Whether a folder is a CAPS, and can take our images."""

import json
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from clinica_t1nce.errors import OutputError, SelectionError
from clinica_t1nce.files import atomic
from clinica_t1nce.files.text import read_json

DESCRIPTION = "dataset_description.json"

PAUSES = (0.1, 0.2, 0.4)
"""Seconds to wait before a description that another process is writing is read again."""

MB_PER_IMAGE = 12
"""Disk space for one image and its sidecar: a whole head, compressed."""

_NEEDED = ("Name", "BIDSVersion", "CAPSVersion")
"""Without these in a description, Clinica ends in a traceback."""

_ADVICE = "give the folder that `clinica run t1-linear` wrote"


def require_caps(caps: Path, *, name: str | None = None) -> None:
    """Refuse what is not a CAPS.

    Parameters
    ----------
    caps
        The folder.
    name
        Name of the data set, for a CAPS without ``dataset_description.json`` (Clinica wrote none
        before 0.8): one with this name will do. Nothing is written here; see :func:`add`.

    Raises
    ------
    SelectionError
        If the folder is not there, empty, a BIDS, or not described.
    """
    if not caps.is_dir():
        raise SelectionError(f"{caps}: no such folder; {_ADVICE}")
    if not any(caps.iterdir()):
        raise SelectionError(f"{caps}: an empty folder, not a CAPS; {_ADVICE}")
    description = caps / DESCRIPTION
    if not (caps / "subjects").is_dir():
        kind = "a BIDS data set" if any(caps.glob("sub-*")) else "a folder without subjects/"
        raise SelectionError(f"{caps}: {kind}, not a CAPS; {_ADVICE}")
    if not description.exists():
        if name is None:
            raise SelectionError(
                f"{description}: no such file, so Clinica does not take the folder for a CAPS; "
                "add --caps-name NAME to have it written"
            )
        return
    try:
        content = _read_description(description)
        kind = content["DatasetType"]
    except (OSError, ValueError, KeyError, TypeError):
        raise SelectionError(
            f"{description}: not a readable description with a DatasetType; restore it, or remove "
            "it and add --caps-name NAME to have it written"
        ) from None
    if kind != "derivative":
        raise SelectionError(f"{caps}: a data set of type {kind!r}, not a CAPS; {_ADVICE}")
    lacking = [key for key in _NEEDED if not isinstance(content.get(key), str)]
    if lacking:
        raise SelectionError(
            f"{description}: lacks {', '.join(lacking)}, which Clinica needs; add it (t1-linear "
            "writes BIDSVersion 1.7.0 and CAPSVersion 1.0.0)"
        )


def name_of(caps: Path) -> str | None:
    """Give the name in the CAPS's description, or None where there is no description."""
    if not (caps / DESCRIPTION).exists():
        return None
    name = _read_description(caps / DESCRIPTION).get("Name")
    return None if name is None else str(name)


def _read_description(description: Path) -> dict[str, Any]:
    """Read a description; again where Clinica, which fills it in place, may be about to."""
    for pause in PAUSES:
        with suppress(ValueError):
            return read_json(description)
        time.sleep(pause)
    return read_json(description)


def linear_steps(caps: Path) -> list[dict[str, Any]]:
    """Give the runs of t1-linear that made a CAPS; none where there is no description."""
    if not (caps / DESCRIPTION).exists():
        return []
    steps = _read_description(caps / DESCRIPTION).get("Processing") or []
    return [step for step in steps if step.get("Name") == "t1-linear"]


def mixed_versions(caps: Path) -> str | None:
    """Say if a CAPS holds crops of Clinica before 0.12 and of later ones; None if it does not.

    Their N4 differs: knots of its spline every 600 mm before, every 200 mm since.
    """
    found = sorted({str(step.get("ClinicaVersion")) for step in linear_steps(caps)})
    old = [version for version in found if _is_old(version)]
    if not old or len(old) == len(found):
        return None
    return (
        f"t1-linear of several versions of Clinica made {caps} ({', '.join(found)}): before 0.12, "
        "N4 took another spline distance (600 mm, not 200 mm); run t1-linear again for all images"
    )


def _is_old(version: str) -> bool:
    parts = version.split(".")
    return (
        len(parts) > 1
        and all(p.isdecimal() for p in parts[:2])
        and ((int(parts[0]), int(parts[1])) < (0, 12))
    )


def add(caps: Path, name: str, *, bids_version: str, caps_version: str) -> None:
    """Write a description, atomically, where there is none."""
    if (caps / DESCRIPTION).exists():
        return
    content = {
        "Name": name,
        "BIDSVersion": bids_version,
        "CAPSVersion": caps_version,
        "DatasetType": "derivative",
        "Processing": [],
    }
    with atomic.temporary(caps / DESCRIPTION) as part:
        part.write_text(json.dumps(content, indent=4), encoding="utf-8")


def check_room(caps: Path, n_images: int) -> None:
    """Refuse a CAPS that cannot be written to safely, or is too full for the images to come.

    All files appear by a rename, which has to replace what is there.

    Raises
    ------
    OutputError
        Saying how much is needed and how much there is.
    """
    try:
        # What permissions, read-only mounts and quotas say is known for sure only by writing.
        with tempfile.TemporaryDirectory(prefix=".t1_synth_nce-", dir=caps / "subjects") as folder:
            first, second = Path(folder, "first"), Path(folder, "second")
            for probe in (first, second):
                with probe.open("wb", buffering=0) as file:
                    file.write(bytes(1 << 16))
                    os.fsync(file.fileno())
            first.replace(second)
    except OSError as error:
        raise OutputError(
            f"{caps}: cannot be written to ({error.strerror or error}); "
            "free space or get the right to write there"
        ) from error
    atomic.check_space(
        caps,
        n_images * MB_PER_IMAGE * 10**6,
        f"{n_images} images",
        "take fewer visits at a time (-tsv)",
    )
