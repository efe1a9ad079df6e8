"""Small CAPS as t1-linear leaves them, and weights to run on them."""

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np

from clinica_t1nce.files.nifti import CROP_SHAPE

CROP_ENDING = "space-MNI152NLin2009cSym_desc-Crop_res-1x1x1_T1w.nii.gz"
AFFINE = np.array([[1.0, 0, 0, -84], [0, 1, 0, -119], [0, 0, 1, -70], [0, 0, 0, 1]])

Visits = dict[tuple[str, str], str]
"""(participant, session) to the entities between session and space, for example "ce-gadolinium"."""

MIXED: Visits = {
    ("sub-01", "ses-M000"): "",
    ("sub-01", "ses-M000ce"): "ce-gadolinium",
    ("sub-02", "ses-M000ce"): "acq-mprage_ce-gd_run-02",
}


def head(seed: int = 0, shape: tuple[int, int, int] = CROP_SHAPE) -> np.ndarray:
    """A bright, blocky ellipsoid on zeros: int16, cheap to make and to compress."""
    coarse = np.random.default_rng(seed).integers(400, 800, [side // 8 + 1 for side in shape])
    blocks = coarse.repeat(8, 0).repeat(8, 1).repeat(8, 2)[tuple(slice(side) for side in shape)]
    axes = np.ogrid[tuple(slice(-1, 1, side * 1j) for side in shape)]
    inside = sum(axis**2 for axis in axes) < 0.8
    return (blocks * inside).astype(np.int16)


def write_crop(path: Path, data: np.ndarray, *, zoom: float = 1.0) -> Path:
    """Write as t1-linear does: sform code 2, qform code 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = AFFINE @ np.diag([zoom, zoom, zoom, 1])
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, 2)
    image.set_qform(None, 0)
    path.write_bytes(gzip.compress(image.to_bytes(), 1))
    return path


def crop_path(caps: Path, subject: str, session: str, entities: str = "") -> Path:
    stem = "_".join(filter(None, [subject, session, entities, CROP_ENDING]))
    return caps / "subjects" / subject / session / "t1_linear" / stem


def make_caps(
    root: Path,
    visits: Visits = MIXED,
    *,
    images: bool = True,
    shape: tuple[int, int, int] = CROP_SHAPE,
) -> Path:
    """Make a CAPS; without images, the files are there but empty."""
    root.mkdir(parents=True, exist_ok=True)
    description = {
        "Name": "small",
        "BIDSVersion": "1.7.0",
        "CAPSVersion": "1.0.0",
        "DatasetType": "derivative",
        "Processing": [],
    }
    (root / "dataset_description.json").write_text(json.dumps(description))
    (root / "subjects").mkdir(exist_ok=True)
    for seed, ((subject, session), entities) in enumerate(visits.items()):
        crop = crop_path(root, subject, session, entities)
        crop.parent.mkdir(parents=True, exist_ok=True)
        if images:
            write_crop(crop, head(seed, shape))
        else:
            crop.touch()
        full = crop.with_name(crop.name.replace("_desc-Crop", ""))
        nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.float32), AFFINE), full)
        full.with_name(full.name.replace("_T1w.nii.gz", "_affine.mat")).touch()
    return root


DETECTOR = {"gadolinium": {"weights": [0.0] * 6, "intercept": 2.0}}
"""A calibration that sees gadolinium everywhere, with a probability of 0.88."""


def save_weights(folder: Path, name: str = "tiny", calibration: dict | None = None) -> Path:
    """Save an untrained network that takes something away everywhere."""
    import torch

    from clinica_t1nce.models import cards, registry, storage

    hyperparameters = {"widths": [2, 4]}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = registry.build("change-unet", **hyperparameters)
    network.head.bias.data.fill_(0.1)
    scaling = {"method": "percentile", "percentile": 70.0}
    card = cards.Card(
        name=name,
        architecture="change-unet",
        hyperparameters=hyperparameters,
        input={"grid": None, "multiple": 4, "scaling": scaling},
        output="change",
        inference={"mirrors": [[], [0]], "memory_gb": 1.0},
        calibration=calibration or {},
    )
    path = folder / f"{name}.safetensors"
    storage.save_weights(path, network, card)
    return path
