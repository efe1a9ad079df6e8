"""Bring real pairs of plain files to MNI space, so that t1-synth-nce-evaluate takes them.

    python benchmarks/pairs_in_mni.py FILES_TSV --out CAPS [--split validation]

FILES_TSV lists pairs as training takes them (t1ce, t1nce, split, name), in one space. Both images
of a pair are cleared of their bias field and moved by one affine, the T1nce's, in one resampling,
to the grid of t1-linear's crops: how they lie to each other stays. CAPS/pairs.tsv lists them.
"""

import argparse
from pathlib import Path

import nibabel as nib
import pandas as pd

from clinica_t1nce.caps import names
from clinica_t1nce.files import nifti
from clinica_t1nce.files.text import read_rows
from clinica_t1nce.volumes import bias, grids, mni


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path, metavar="FILES_TSV")
    parser.add_argument("--split", default="validation", help="rows of FILES_TSV (%(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="CAPS")
    given = parser.parse_args()
    rows = []
    for cells in read_rows(given.pairs, required=("t1ce", "t1nce", "split", "name")):
        if cells["split"] != given.split:
            continue
        subject = "sub-" + "".join(filter(str.isalnum, cells["name"]))
        pose = None
        for kind, session, contrast in (
            ("t1nce", "ses-M000", ""),
            ("t1ce", "ses-M000ce", "_ce-gadolinium"),
        ):
            image = nifti.load(given.pairs.parent / cells[kind])
            volume = image.data / bias.measure_bias(image.data, image.affine)
            if pose is None:
                pose = mni.find_pose(volume, image.affine)
            crop = grids.sample(volume, image.affine, nifti.CROP_SHAPE, mni.CROP_AFFINE, pose)
            folder = given.out / "subjects" / subject / session / "t1_linear"
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{subject}_{session}{contrast}{names.CROP_ENDING}"
            nib.save(nib.Nifti1Image(crop, mni.CROP_AFFINE), folder / name)
        rows.append((subject, "ses-M000", "ses-M000ce"))
        print(subject, flush=True)
    columns = ["participant_id", "session_id_t1nce", "session_id_t1ce"]
    pd.DataFrame(rows, columns=columns).to_csv(given.out / "pairs.tsv", sep="\t", index=False)


if __name__ == "__main__":
    main()
