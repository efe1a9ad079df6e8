"""Tiny pairs in a CAPS, and the command run on them, every node in this process."""

import numpy as np
import pandas as pd
from click.testing import CliRunner

from clinica_t1nce.caps import names
from clinica_t1nce.pipelines.t1_synth_nce_evaluate import evaluation_cli as module
from tests.data import volumes
from tests.data.caps import crop_path

SHAPE = (40, 48, 36)
AFFINE = volumes.affine("ras", shape=SHAPE)
MODELS = {"good": 20, "poor": 250}
"""What each model leaves of the enhancement."""

HEADER = "participant_id\tsession_id_t1nce\tsession_id_t1ce\tquality\n"


def write_pair(caps, subject, seed, models=MODELS):
    t1nce = volumes.brain(SHAPE, seed=seed)
    t1ce = volumes.enhance(t1nce)
    source = crop_path(caps, subject, "ses-M000ce", "ce-gd")
    volumes.write(crop_path(caps, subject, "ses-M000"), np.roll(t1nce, 1, axis=1), AFFINE)
    volumes.write(source, t1ce, AFFINE)
    images = {"T1nce": np.roll(t1nce, 1, axis=1), "T1ce": t1ce}
    for number, (model, left) in enumerate(models.items()):
        noise = np.random.default_rng(100 * seed + number).normal(0, 0.2, SHAPE)
        image = np.where(t1ce > t1nce, t1nce + left, t1nce + noise * (t1nce > 0))
        volumes.write(names.output_path(source, model), image, AFFINE)
        images[model] = image
    for name, image in images.items():
        labels = np.where(image > 0, np.array([3, 1, 2])[np.digitize(image, [230, 330])], 0)
        volumes.write(caps / f"seg/{subject}_{name}.nii.gz", labels, AFFINE, dtype=np.uint8)


def run(caps, pairs, out, *options):
    arguments = [
        *(caps, pairs, out, "--nipype-plugin", "Linear"),
        *("--segmentation", "labels:seg/{participant_id}_{image}.nii.gz", *options),
    ]
    return CliRunner().invoke(module.cli, [str(argument) for argument in arguments])


def read(path):
    return pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)
