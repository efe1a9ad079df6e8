"""Carry the enhancement of real pairs into real T1nce heads, so that the truth is known.

    python benchmarks/semi_real_heads.py CAPS HEADS_TSV FILES_TSV --out DIR [--split validation]

CAPS holds crops of t1-linear; HEADS_TSV names the T1nce to enhance (participant_id,
session_id_t1nce). FILES_TSV lists real pairs as training takes them (t1ce, t1nce, split, name;
skull-stripped). What the T1ce of each has more than its fitted T1nce, in enhancing voxels, is
carried to each head by a deformable registration of the two T1nce (ANTs, SyN), and added.
DIR/semi_real.tsv says how much of it is gone again; README.md explains the columns. DIR/caps is a
CAPS of these heads with their pairs.tsv, for t1-synth-nce and t1-synth-nce-evaluate.
"""

import argparse
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from clinica_t1nce.caps import names
from clinica_t1nce.evaluation.brain_masks import brain_mask
from clinica_t1nce.evaluation.smooth_recovery import BRIGHT, prepare_smooth_pair
from clinica_t1nce.files import nifti
from clinica_t1nce.files.nifti import Image
from clinica_t1nce.files.text import read_rows
from clinica_t1nce.synthesis.synthesizer import Synthesizer
from clinica_t1nce.volumes.fitting import anchor
from clinica_t1nce.volumes.itk import to_ants

SMALLEST = 4
"""Voxels of the smallest piece of enhancement that is carried: what is smaller may be noise."""

ITERATIONS = (40, 20, 10)
"""Iterations of SyN, from the coarsest scale to the finest."""


def carry(t1ce: Image, t1nce: Image, head: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Bring the enhancement of a pair to a brain's grid, bright tissue = 1.

    Parameters
    ----------
    t1ce, t1nce
        Skull-stripped pair on one grid.
    head
        T1nce of another person, 0 outside the brain.
    affine
        4 x 4, voxel indices of `head` to mm.
    """
    import ants

    pair = prepare_smooth_pair(t1ce.data, t1nce.data)
    fitted = anchor(pair.t1ce, pair.fitted, pair.mask & ~pair.enhancing)
    pieces, _ = ndimage.label(pair.enhancing)
    large = np.bincount(pieces.ravel()) >= SMALLEST
    added = np.where(pair.enhancing & large[pieces], np.maximum(pair.t1ce - fitted, 0), 0)
    corner = t1ce.affine.copy()
    corner[:3, 3] += corner[:3, :3] @ [side.start for side in pair.box]
    fixed = to_ants(head, affine)
    found = ants.registration(fixed, to_ants(fitted, corner), "SyN", reg_iterations=ITERATIONS)
    moved = ants.apply_transforms(fixed, to_ants(added, corner), found["fwdtransforms"])
    for file in {*found["fwdtransforms"], *found["invtransforms"]}:
        Path(file).unlink(missing_ok=True)
    return np.where(head > 0, moved.numpy(), 0)


def compare(
    t1nce: np.ndarray, added: np.ndarray, synthetic: np.ndarray, brain: np.ndarray
) -> dict[str, float]:
    """Measure what is left of what was added; all images with bright tissue = 1."""
    error = np.abs(synthetic - t1nce)
    taken = np.maximum(t1nce + added - synthetic, 0)
    inside = brain & (added > 0)
    return {
        "added": 100 * added[brain].mean(),
        "share": 1 - error[brain].sum() / added[brain].sum(),
        "inside": error[inside].sum() / added[inside].sum(),
        "outside": 100 * error[brain & ~inside].mean(),
        "beyond": 100 * error[~brain & (t1nce > 0)].mean() if (t1nce[~brain] > 0).any() else 0.0,
        "wrongly": taken[brain & ~inside].sum() / taken[brain].sum(),
    }


def write_pair(caps: Path, subject: str, crop: Path, t1ce: np.ndarray, like: Image) -> None:
    """Add the head without and with enhancement to a CAPS, as two sessions."""
    for session, contrast in (("M000", ""), ("M000ce", "_ce-gadolinium")):
        folder = caps / "subjects" / f"sub-{subject}" / f"ses-{session}" / "t1_linear"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"sub-{subject}_ses-{session}{contrast}{names.CROP_ENDING}"
        if contrast:
            nifti.save(path, t1ce, like)
        else:
            shutil.copyfile(crop, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("caps", type=Path)
    parser.add_argument("heads", type=Path, metavar="HEADS_TSV")
    parser.add_argument("pairs", type=Path, metavar="FILES_TSV")
    parser.add_argument("--split", default="validation", help="rows of FILES_TSV (%(default)s)")
    parser.add_argument("--model", default="default")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    os.environ["ANTS_RANDOM_SEED"] = "1"
    synthesizer = Synthesizer.load(given.model, "cpu")
    files = [row for row in read_rows(given.pairs) if row["split"] == given.split]
    caps, rows, listed = given.out / "caps", [], []
    for row in read_rows(given.heads, required=("participant_id", "session_id_t1nce")):
        person, session = row["participant_id"], row["session_id_t1nce"]
        (crop,) = (given.caps / "subjects" / person / session).glob(f"*/*{names.CROP_ENDING}")
        head = nifti.load(crop)
        brain, _ = brain_mask(head.data, head.affine, "deepbet")
        unit = float(np.percentile(head.data[brain & (head.data > 0)], BRIGHT))
        for cells in files:
            t1ce, t1nce = (nifti.load(given.pairs.parent / cells[k]) for k in ("t1ce", "t1nce"))
            added = carry(t1ce, t1nce, np.where(brain, head.data, 0), head.affine)
            enhanced = (head.data + unit * added).astype(np.float32)
            synthetic = synthesizer(enhanced, head.affine).image
            found = compare(head.data / unit, added, synthetic / unit, brain)
            rows.append({"head": person, "enhancement": cells["name"], **found})
            print(rows[-1], flush=True)
            subject = f"{person.removeprefix('sub-')}x{len(listed):02d}"
            write_pair(caps, subject, crop, enhanced, head)
            visit = {"session_id_t1nce": "ses-M000", "session_id_t1ce": "ses-M000ce"}
            listed.append({"participant_id": f"sub-{subject}", **visit})
            for name, table in (("semi_real", rows), ("pairs", listed)):
                frame = pd.DataFrame(table)
                frame.to_csv(given.out / f"{name}.tsv", sep="\t", index=False, float_format="%.4f")
    shutil.copyfile(given.caps / "dataset_description.json", caps / "dataset_description.json")


if __name__ == "__main__":
    main()
