"""What a homogenised data set holds."""

import json
from pathlib import Path

SYNTHETIC = Path("sub-02/ses-M000/anat/sub-02_ses-M000_T1w.nii.gz")
ACQUIRED = Path("sub-01/ses-M000/anat/sub-01_ses-M000_T1w.nii.gz")

KINDS = {
    "sub-01/ses-M000": "acquired",
    "sub-01/ses-M012": "acquired",
    "sub-02/ses-M000": "synthetic",
    "sub-03/ses-M000": "acquired",
}


def images_in(out):
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*_T1w.nii*"))


def sidecar(out, image):
    return json.loads((out / str(image).replace(".nii.gz", ".json")).read_text())
