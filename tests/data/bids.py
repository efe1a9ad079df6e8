"""Small BIDS data sets, and the BIDS validator."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinica_t1nce.bids.contrast_agents import has_contrast
from clinica_t1nce.caps import names
from tests.data.volumes import affine, brain, write

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")

needs_validator = pytest.mark.skipif(
    not VALIDATOR.exists(), reason="no bids-validator-deno beside this Python"
)

GADOLINIUM = {"ContrastBolusIngredient": "GADOLINIUM"}

Images = dict[str, dict[str, Any]]
"""Sidecar by name without extension."""

MIXED: Images = {
    "sub-01_ses-M000_T1w": {"EchoTime": 0.003},
    "sub-01_ses-M000_ce-gd_T1w": {"EchoTime": 0.004},
    "sub-01_ses-M000_FLAIR": {},
    "sub-01_ses-M012_T1w": {},
    "sub-02_ses-M000_acq-late_T1w": GADOLINIUM,
    "sub-02_ses-M006_T2w": {},
    "sub-03_ses-M000_run-1_T1w": {},
    "sub-03_ses-M000_run-2_T1w": {},
    "sub-03_ses-M000_acq-se_ce-gd_T1w": {},
    "sub-03_ses-M000_acq-mprage_ce-gd_T1w": {},
}
"""Both images, one, none; T1ce by name and by sidecar; repeated T1nce; T1ce of thick slices."""

THICK = "acq-se"


def make_bids(root: Path, images: Images = MIXED) -> Path:
    """Make a BIDS data set with tables; names with :data:`THICK` are of images of 5 mm slices."""
    root.mkdir(parents=True)
    description = {"Name": "mixed", "BIDSVersion": "1.9.0", "DatasetType": "raw"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    (root / "README").write_text("Made by a test. " * 20)
    for seed, (stem, sidecar) in enumerate(images.items()):
        subject, session = stem.split("_")[:2]
        anat = root / subject / session / "anat"
        zooms = (1, 1, 5) if THICK in stem else (1, 1, 1)
        shape = (8, 9, 7)
        write(
            anat / f"{stem}.nii.gz",
            brain(shape, seed=seed),
            affine("las", zooms=zooms, shape=shape),
            dtype=np.int16,
            sform_code=1,
            qform_code=1,
        )
        (anat / f"{stem}.json").write_text(json.dumps(sidecar))
    subjects = sorted(root.glob("sub-*"))
    rows = "".join(f"{subject.name}\t40\n" for subject in subjects)
    (root / "participants.tsv").write_text(f"participant_id\tage\n{rows}")
    for subject in subjects:
        sessions = sorted(subject.glob("ses-*"))
        rows = "".join(f"{session.name}\t2010-01-01T10:00:00\n" for session in sessions)
        (subject / f"{subject.name}_sessions.tsv").write_text(f"session_id\tacq_time\n{rows}")
        for session in sessions:
            files = sorted(session.glob("anat/*.nii.gz"))
            rows = "".join(
                f"anat/{file.name}\t2010-01-01T10:0{number}:00\n"
                for number, file in enumerate(files)
            )
            table = session / f"{subject.name}_{session.name}_scans.tsv"
            table.write_text(f"filename\tacq_time\n{rows}")
    return root


def validation_errors(root: Path) -> list[str]:
    """Run the BIDS validator; give one line an error."""
    done = subprocess.run(
        [VALIDATOR, root, "--ignoreWarnings", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["totalFiles"] > 3
    return [
        f"{issue['code']} {issue.get('location', '')}"
        for issue in report["issues"]["issues"]
        if issue["severity"] == "error"
    ]


def tree(root: Path) -> dict[str, tuple[int, int]]:
    """Give time and inode of each file and link of a folder."""
    found = {}
    for path in sorted(root.rglob("*")):
        if not path.is_dir() or path.is_symlink():
            status = path.lstat()
            found[path.relative_to(root).as_posix()] = status.st_mtime_ns, status.st_ino
    return found


def make_caps_of(bids: Path, caps: Path, *, model: str | None = "m") -> Path:
    """Make the CAPS that t1-linear and, with a model's name, t1-synth-nce would make of a BIDS.

    Images are small; those of t1-linear have no qform.
    """
    processing = {
        "Name": "t1-linear",
        "Date": "2024-01-01T10:00:00",
        "Author": "n/a",
        "Machine": "n/a",
        "InputPath": str(bids),
        "ClinicaVersion": "0.12.0",
        "Dependencies": [],
    }
    (caps / "subjects").mkdir(parents=True)
    description = {
        "Name": "c",
        "BIDSVersion": "1.7.0",
        "CAPSVersion": "1.0.0",
        "DatasetType": "derivative",
        "Processing": [processing],
    }
    (caps / "dataset_description.json").write_text(json.dumps(description))
    for number, raw in enumerate(sorted(bids.glob("sub-*/ses-*/anat/*_T1w.nii.gz"))):
        visit = caps / "subjects" / Path(*raw.relative_to(bids).parts[:2])
        name = raw.name.replace("_T1w.nii.gz", names.CROP_ENDING)
        crop = visit / "t1_linear" / name
        data = brain((8, 9, 7), seed=number)
        write(crop, data, affine(shape=(8, 9, 7)))
        write(names.full_path(crop), data, affine(shape=(8, 9, 7)))
        if model is not None and has_contrast(name):
            make_synthetic(crop, model)
    return caps


def make_synthetic(crop: Path, model: str, *, selected_by: str = "ce entity") -> None:
    """Put a synthetic image on each grid beside a crop, and a map beside it, with sidecars."""
    output = names.output_path(crop, model)
    caps = crop.parents[4]
    for ending in names.SPACES.values():
        image = output.with_name(output.name.removesuffix(names.SYNTHETIC_ENDING) + ending)
        write(image, brain((8, 9, 7)) * 0.5, affine(shape=(8, 9, 7)), qform_code=2)
        content = {
            "Synthetic": True,
            "SelectedBy": selected_by,
            "Sources": [f"bids::{crop.relative_to(caps).as_posix()}"],
            "Model": {"Name": model, "SHA256": "0" * 64},
            "Confidence": 0.9,
        }
        names.sidecar_path(image).write_text(json.dumps(content))
        removed = names.enhancement_path(image)
        shutil.copyfile(image, removed)
        beside = {"Synthetic": True, "Sources": content["Sources"]}
        names.sidecar_path(removed).write_text(json.dumps(beside))
