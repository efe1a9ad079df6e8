"""Make the prior of enhancing structures again: clinica_t1nce/synthesis/enhancement_prior.nii.gz.

    python benchmarks/vessel_prior.py LABEL_MAPS OUT.nii.gz

LABEL_MAPS is a folder of whole-head label maps with the labels of docs/simulation.md (the 20
maps that SynthSeg was trained on; Apache-2.0). Each head is moved to MNI space by the affine
that brings its brain to the MNI152 template's, as t1-linear would; then vessels, sinuses and
choroid plexus, dilated by two millimetres, and dura are marked, averaged over the heads and
blurred.

The maps label sinuses, arteries at the base and choroid plexus, no dura: that is taken to be what
lies less than DURA mm inside the skull, and fluid less than FOLD mm from both hemispheres (falx)
or from both cerebrum and cerebellum (tentorium).
"""

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
from nilearn.datasets import load_mni152_template
from scipy import ndimage

from clinica_t1nce.evaluation.registration import align_images
from clinica_t1nce.files import nifti
from clinica_t1nce.simulation.tissues import (
    CEREBELLUM,
    FIRST_LABEL_OUTSIDE_BRAIN,
    GRAY_MATTER,
    LEFT_CEREBRUM,
    RIGHT_CEREBRUM,
    WHITE_MATTER,
    Tissue,
    to_tissues,
)
from clinica_t1nce.volumes.grids import sample

VESSELS = (Tissue.VENOUS_SINUS, Tissue.ARTERY, Tissue.CHOROID_PLEXUS)
COARSE = 2
"""mm, voxel size at which heads are marked."""

DURA, FOLD = 2.0, 4.0
GROWTH = 2.0
"""mm by which structures are dilated: gadolinium is seen beyond the label's thin lumen."""

BLUR = 2.0
"""Standard deviation in mm of the last blur: what an affine leaves of anatomy."""

SPACING = 2.5
SHAPE, CORNER = (66, 80, 72), (-81.25, -118.75, -80.0)
"""Grid of the prior in MNI space: it holds the inside of every skull."""


def grid() -> np.ndarray:
    affine = np.diag([SPACING] * 3 + [1.0])
    affine[:3, 3] = CORNER
    return affine


def mark(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mark enhancing structures, and all that lies inside the skull."""
    tissues = to_tissues(labels)
    inside = (labels > 0) & (labels < FIRST_LABEL_OUTSIDE_BRAIN)
    inside |= tissues == Tissue.VENOUS_SINUS
    inside = ndimage.binary_fill_holes(ndimage.binary_closing(inside))
    depth = ndimage.distance_transform_edt(inside, sampling=COARSE)

    def near(numbers: tuple[int, ...]) -> np.ndarray:
        part = np.isin(labels, numbers)
        found: np.ndarray = ndimage.distance_transform_edt(~part, sampling=COARSE) <= FOLD
        return found

    left, right, cerebellum = near(LEFT_CEREBRUM), near(RIGHT_CEREBRUM), near(CEREBELLUM)
    folds = (tissues == Tissue.CSF) & ((left & right) | ((left | right) & cerebellum))
    shell = inside & (depth <= DURA)
    vessels = np.isin(tissues, VESSELS)
    vessels = ndimage.distance_transform_edt(~vessels, sampling=COARSE) <= GROWTH
    return vessels | shell | folds, inside


def from_mni(labels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Find the affine (4 x 4, mm) that takes points of MNI space to the head's."""
    tissues = to_tissues(labels)
    looks = np.select(
        [np.isin(tissues, WHITE_MATTER), np.isin(tissues, GRAY_MATTER)], [1.0, 0.7], 0.0
    )
    smooth = ndimage.gaussian_filter(looks.astype(np.float32), 0.8)[::2, ::2, ::2]
    template = load_mni152_template(resolution=2 * COARSE)
    brain = np.asarray(template.dataobj, np.float32)
    doubled = affine @ np.diag([2, 2, 2, 1])
    return align_images(smooth, doubled, brain, template.affine, kind="affine").transform


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("label_maps", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    paths = sorted(arguments.label_maps.glob("*.nii*"))
    sums = np.zeros((2, *SHAPE))
    for path in paths:
        image = nifti.load(path)
        # Every second voxel: finer than the prior, and an eighth of the work.
        labels = np.rint(image.data[::2, ::2, ::2]).astype(np.int32)
        affine = image.affine @ np.diag([COARSE, COARSE, COARSE, 1])
        movement = from_mni(labels, affine)
        for total, marked in zip(sums, mark(labels), strict=True):
            total += sample(marked, affine, SHAPE, grid(), movement)
        print(path.name, flush=True)
    sums /= len(paths)
    likely, inside = (ndimage.gaussian_filter(each, BLUR / SPACING) for each in sums)
    # 0 is outside the skull; inside, 1 to 255 stand for 0 to 1.
    stored = np.where(inside >= 0.5, 1 + np.round(254 * np.clip(likely, 0, 1)), 0).astype(np.uint8)
    like = nifti.Image(stored, grid(), nib.Nifti1Image(stored, grid()).header, arguments.out)
    nifti.save(
        arguments.out, stored, like, dtype=np.uint8, description="clinica-t1nce, from SynthSeg maps"
    )
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
