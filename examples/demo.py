"""The main job on a made-up data set, without network: ``python examples/demo.py [FOLDER]``.

Builds a CAPS as ``t1-linear`` leaves it, with two participants of two visits each (T1nce and
T1ce), from the MNI152 maps that nilearn brings along and simulated gadolinium; runs ``clinica run
t1-synth-nce`` on it as a user would; draws one picture a participant; and prints how much of the
enhancement's error is gone.
"""

import json
import subprocess
import sys
from pathlib import Path
from shutil import rmtree, which

import nibabel as nib
import numpy as np
import torch
from nilearn.datasets import (
    load_mni152_gm_template,
    load_mni152_template,
    load_mni152_wm_template,
)
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from clinica_t1nce.evaluation.recovery import measure_recovery, prepare_pair
from clinica_t1nce.files.nifti import CROP_SHAPE
from clinica_t1nce.report.figures import draw_participant
from clinica_t1nce.simulation.anatomy import Anatomy, find_surfaces, to_mm
from clinica_t1nce.simulation.contrast import Contrast
from clinica_t1nce.simulation.fields import blur, generator, smooth_noise
from clinica_t1nce.simulation.gadolinium import sample_gadolinium
from clinica_t1nce.simulation.scene import Scene

CROP_AFFINE = np.array([[1, 0, 0, -84], [0, 1, 0, -119], [0, 0, 1, -78], [0, 0, 0, 1]], float)
"""Of t1-linear's crops: 1 mm, MNI152NLin2009cSym."""

PARTICIPANTS = {"demo01": 4, "demo02": 5}
"""Participants and the seeds of their anatomy, contrast and injection: one that enhances strongly,
one of the simulator's ordinary, hard cases."""

SCANNER_UNITS = 400.0
"""White matter's intensity in the files."""


def main(folder: Path) -> None:
    """Make the data set, run the pipeline, draw the pictures."""
    console = Console()
    caps = folder / "caps"
    if folder.exists():
        rmtree(folder)
    console.print(f"Making a CAPS of {len(PARTICIPANTS)} participants in {caps} ...")
    write_description(caps)
    for participant, seed in PARTICIPANTS.items():
        t1nce, t1ce = make_pair(seed)
        write_crop(caps, participant, "M000", "", t1nce)
        write_crop(caps, participant, "M000ce", "ce-gadolinium_", t1ce)
    command = [str(clinica_executable()), "run", "t1-synth-nce", str(caps)]
    console.print("Running", " ".join(["clinica", *command[1:]]))
    subprocess.run(command, check=True)
    results = {participant: load_result(caps, participant) for participant in PARTICIPANTS}
    console.print(tabulate(results))
    print("Pictures to open:")
    for participant, (t1nce, t1ce, synthetic) in results.items():
        picture = folder / f"sub-{participant}.png"
        draw_participant(
            picture, t1ce, synthetic, t1nce, affine=CROP_AFFINE, title=f"Demo: sub-{participant}"
        )
        print(f"  {picture}")


def make_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make a T1nce and a T1ce of one person, on the crop's grid."""
    rng = np.random.default_rng(seed)
    t1, gray, white = (
        bend(on_crop_grid(load(resolution=1)), seed)
        for load in (load_mni152_template, load_mni152_gm_template, load_mni152_wm_template)
    )
    brain = t1 > 0.05
    image = t1 / np.median(t1[white > 0.9])
    scene = make_scene(image, find_surfaces(label(brain, gray, white)))
    contrast = Contrast.sample(rng)
    for effect in sample_gadolinium(rng, contrast):
        effect(scene)
    enhancement = contrast.enhancement(scene.image, scene.enhancement)
    enhancement = blur(enhancement, (0.5, 0.5, 0.5))
    vessels = blur(scene.image, (0.4, 0.4, 0.4))
    # Two acquisitions never share their noise.
    pair = (
        v + 0.015 * torch.randn(v.shape, generator=generator(seed + i))
        for i, v in enumerate((vessels, vessels + enhancement))
    )
    t1nce, t1ce = (SCANNER_UNITS * v.clamp_min(0).numpy() * brain for v in pair)
    return t1nce, t1ce


def make_scene(image: np.ndarray, anatomy: Anatomy) -> Scene:
    """Give the simulator a ready image in place of a contrast of its own."""
    distances = (
        torch.from_numpy(to_mm(code.astype(np.float32), i))
        for i, code in enumerate(anatomy.distances)
    )
    tissue = torch.from_numpy(anatomy.tissue.astype(np.int64))
    start = torch.from_numpy(image).float()
    return Scene(tissue, *distances, image=start, enhancement=torch.zeros_like(start))


def on_crop_grid(image: nib.Nifti1Image) -> np.ndarray:
    """Cut t1-linear's field of view out of a 1 mm MNI map; both grids share their voxels."""
    source = image.get_fdata(dtype=np.float32)
    shift = np.round(CROP_AFFINE[:3, 3] - image.affine[:3, 3]).astype(int)
    padded = np.pad(source, [(max(-s, 0), 64) for s in shift])
    low = np.maximum(shift, 0)
    return padded[tuple(slice(a, a + n) for a, n in zip(low, CROP_SHAPE, strict=True))]


def bend(volume: np.ndarray, seed: int) -> np.ndarray:
    """Bend a volume smoothly by a few millimetres: another person's head."""
    random = generator(seed)
    shifts = smooth_noise(volume.shape, 40, random, channels=3).numpy() * 2.5
    grid = np.indices(volume.shape, dtype=np.float32)
    return ndimage.map_coordinates(volume, grid + shifts, order=1)


def label(brain: np.ndarray, gray: np.ndarray, white: np.ndarray) -> np.ndarray:
    """Make a coarse label map, FreeSurfer's numbers, out of tissue maps in MNI space."""
    x, y, z = (
        axis + CROP_AFFINE[i, 3] for i, axis in enumerate(np.indices(brain.shape, dtype=np.float32))
    )
    depth = ndimage.distance_transform_edt(brain)
    right = x > 0
    labels = np.where(brain, 24, 0)
    labels[(gray > 0.4) & brain] = 3
    labels[(white > 0.5) & brain] = 2
    labels[(labels == 24) & (depth > 22) & (abs(x) < 40) & (z > -20)] = 4
    labels[np.isin(labels, (2, 3, 4)) & right] += 39
    behind = (y < -35) & (z < -18 - 0.25 * (y + 60))
    labels[behind & np.isin(labels, (3, 42))] = 8
    labels[behind & np.isin(labels, (2, 41))] = 7
    plexus = np.isin(labels, (4, 43)) & (abs(y + 30) < 22) & (abs(x) > 8)
    labels[plexus] = 136
    midline = (abs(x) < 3) & (depth < 6) & (z > -10)
    labels[midline & np.isin(labels, (24, 0))] = 514
    return labels


def write_description(caps: Path) -> None:
    """Write what makes a folder a CAPS."""
    caps.mkdir(parents=True)
    description = {
        "Name": "clinica-t1nce demo",
        "BIDSVersion": "1.7.0",
        "CAPSVersion": "1.0.0",
        "DatasetType": "derivative",
    }
    (caps / "dataset_description.json").write_text(json.dumps(description, indent=2) + "\n")


def crop_path(caps: Path, participant: str, session: str, contrast: str) -> Path:
    """Name a crop as t1-linear does."""
    name = (
        f"sub-{participant}_ses-{session}_{contrast}"
        "space-MNI152NLin2009cSym_desc-Crop_res-1x1x1_T1w.nii.gz"
    )
    return caps / "subjects" / f"sub-{participant}" / f"ses-{session}" / "t1_linear" / name


def write_crop(caps: Path, participant: str, session: str, contrast: str, data: np.ndarray) -> None:
    """Write a crop with the header that t1-linear's crops have."""
    path = crop_path(caps, participant, session, contrast)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data.astype(np.float32), CROP_AFFINE)
    image.set_qform(CROP_AFFINE, code=0)
    image.set_sform(CROP_AFFINE, code=2)
    nib.save(image, path)


def clinica_executable() -> Path:
    """Find the ``clinica`` of this environment."""
    beside = Path(sys.executable).with_name("clinica")
    return beside if beside.exists() else Path(which("clinica") or "clinica")


def load_result(caps: Path, participant: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Load T1nce, T1ce and synthetic T1nce of a participant."""
    visit = caps / "subjects" / f"sub-{participant}" / "ses-M000ce"
    (synthetic,) = visit.glob("t1_synth_nce/model-*/*_desc-SynthNce_res-1x1x1_T1w.nii.gz")
    paths = (
        crop_path(caps, participant, "M000", ""),
        crop_path(caps, participant, "M000ce", "ce-gadolinium_"),
        synthetic,
    )
    return tuple(nib.load(path).get_fdata(dtype=np.float32) for path in paths)


def tabulate(results: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Table:
    """Compare each synthetic image with the T1nce that it stands for."""
    table = Table(title="Error against the T1nce, % of its range")
    for heading in ("participant", "T1ce", "synthetic T1nce", "removable error recovered"):
        table.add_column(heading, justify="left" if heading == "participant" else "right")
    for participant, (t1nce, t1ce, synthetic) in results.items():
        found = measure_recovery(prepare_pair(t1ce, t1nce), synthetic)
        table.add_row(
            f"sub-{participant}",
            f"{found.error_t1ce:.2f}",
            f"{found.error_synthetic:.2f}",
            f"{100 * found.share:.0f} %",
        )
    return table


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo_output"))
