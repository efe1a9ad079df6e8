"""The interfaces to volumes and overlap, on one small pair."""

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.evaluation import segmentation
from clinica_t1nce.evaluation.segmentation import Segmentation
from clinica_t1nce.evaluation.volumes import measure_volumes
from clinica_t1nce.interfaces import GatherVolumes, SegmentTissues, TissueOverlap, TissueVolumes
from tests.data import volumes
from tests.interfaces.files import AFFINE, SHAPE, assert_geometry, data


def three_maps(folder, name, labels, affine=AFFINE):
    return [
        str(volumes.write(folder / f"{name}_{k}.nii.gz", (labels == k).astype("f4"), affine))
        for k in (1, 2, 3)
    ]


def labelled(shift=0):
    labels = np.zeros(SHAPE, np.uint8)
    labels[5:10, 5:25], labels[12:20, 5:25], labels[22:30, 5:25, 4:9] = 1, 2, 3
    return np.roll(labels, shift, axis=0)


def test_volumes_of_spm_maps_counted_by_hand(folder):
    maps = [three_maps(folder, name, labelled()) for name in ("a", "b")]
    found = TissueVolumes(probability_files=maps).run().outputs
    expected = {"GM": 5 * 20 * 36 / 1000, "WM": 8 * 20 * 36 / 1000, "CSF": 8 * 20 * 5 / 1000}
    assert found.volumes == [pytest.approx(expected)] * 2
    np.testing.assert_array_equal(data(found.out_files[0]), labelled())
    assert_geometry(found.out_files[1], np.uint8)


def test_volumes_of_every_structure_of_a_label_map(folder):
    labels = np.where(labelled() == 2, 1017, labelled().astype(np.int32))
    path = volumes.write(folder / "seg.nii.gz", labels, AFFINE, dtype=np.int32)
    found = TissueVolumes(label_files=[str(path)], names={"thalamus": 1017, "x": 3}).run().outputs
    assert found.volumes == [measure_volumes(labels, AFFINE, {"thalamus": 1017, "x": 3})]
    np.testing.assert_array_equal(data(found.out_files), labels)


def test_labels_that_nobody_named(folder):
    path = volumes.write(folder / "seg.nii.gz", labelled() * 14, AFFINE, dtype=np.uint8)
    with pytest.raises(ImageError, match=r"seg.nii.gz: holds the label 42, .*--structures"):
        TissueVolumes(label_files=[str(path)]).run()


@pytest.mark.parametrize(
    "problem", ["maps that add up to 2", "no CSF", "an empty map", "another grid"]
)
def test_maps_that_cannot_be_used_are_named(folder, problem):
    maps = three_maps(folder, "bad", labelled())
    message = "add up to 2"
    if problem == "no CSF":
        maps[2] = str(volumes.write(folder / "csf.nii.gz", 0.1 * (labelled() == 3), AFFINE))
        message = "bad_1.nii.gz: no voxel of CSF"
    elif problem == "an empty map":
        maps[2] = str(volumes.write(folder / "csf.nii.gz", np.zeros(SHAPE), AFFINE))
        message = "bad_1.nii.gz: no voxel of CSF"
    elif problem == "another grid":
        maps[1:2] = three_maps(folder, "other", labelled(), volumes.affine("ras"))[1:2]
        message = "other_2.nii.gz: on another grid"
    else:
        maps[1] = maps[0]
    with pytest.raises(ImageError, match=message):
        TissueVolumes(probability_files=[maps]).run()


def test_atropos_gets_image_mask_and_priors(pair, folder, monkeypatch):
    seen = []

    def segment(*inputs):
        seen.append(inputs)
        return Segmentation(labelled(), np.stack([labelled() == k for k in (1, 2, 3)]) * 0.5)

    monkeypatch.setattr(segmentation, "segment", segment)
    priors = three_maps(folder, "prior", labelled())
    inputs = {"in_file": pair["t1ce"], "mask_file": pair["mask"]}
    maps = SegmentTissues(**inputs, prior_files=priors).run().outputs.out_files
    SegmentTissues(**inputs).run()
    (volume, affine, mask, given), (*_, none) = seen
    np.testing.assert_array_equal(volume, data(pair["t1ce"]))
    np.testing.assert_allclose(affine, AFFINE)
    np.testing.assert_array_equal(mask, data(pair["mask"]) > 0)
    np.testing.assert_array_equal(given[2], labelled() == 3)
    assert none is None
    for number, path in enumerate(maps, start=1):
        np.testing.assert_array_equal(data(path), (labelled() == number) * 0.5)
        assert_geometry(path, np.float32)


def test_structures_of_several_labels_in_a_map_of_freesurfer(folder):
    labels = labelled().astype(np.int32) * 10
    path = folder / "seg.mgz"
    nib.save(nib.MGHImage(labels, AFFINE), path)
    names = {"both": [10, 20], "GM": [10], "TIV": [10, 20, 30]}
    found = TissueVolumes(label_files=[str(path)] * 2, names=names).run().outputs
    assert found.volumes[0] == measure_volumes(labels, AFFINE, names)
    assert found.volumes[0]["both"] == pytest.approx((5 + 8) * 20 * 36 / 1000)
    assert_geometry(found.out_files[0], np.uint8)
    np.testing.assert_array_equal(data(found.gm_files[1]), labels == 10)
    overlap = TissueOverlap(
        reference_file=found.out_files[0], in_files=[found.out_files[1]], names=names
    )
    gathered = GatherVolumes(
        name="samseg",
        names=names,
        label_files=found.out_files,
        gm_files=found.gm_files,
        volumes=found.volumes,
        dice=overlap.run().outputs.dice,
    )
    said = gathered.run().outputs.out
    assert (said["tiv"], said["dice"]) == (found.volumes[0]["TIV"], [dict.fromkeys(names, 1.0)])


def test_a_damaged_map_of_freesurfer_is_named(folder):
    (folder / "seg.mgz").write_bytes(b"no map")
    with pytest.raises(ImageError, match=r"seg.mgz: not a readable label map"):
        TissueVolumes(label_files=[str(folder / "seg.mgz")]).run()


@pytest.mark.parametrize("invert", [False, True])
def test_overlap_after_moving_the_reference(folder, invert):
    """The T1nce lay 3 voxels to the left; the transform takes the T1ce's places there."""
    here, there = (
        str(volumes.write(folder / f"{s}.nii.gz", labelled(s), AFFINE, dtype=np.uint8))
        for s in (0, 3)
    )
    transform = np.eye(4)
    transform[0, 3] = -3
    np.savetxt(folder / "transform.txt", transform)
    reference, moved = (here, there) if invert else (there, here)
    move = {"transform_file": str(folder / "transform.txt"), "invert": invert}
    still = TissueOverlap(reference_file=reference, in_files=[moved]).run().outputs.dice[0]
    found = TissueOverlap(reference_file=reference, in_files=[moved], **move).run().outputs.dice[0]
    assert still["GM"] == pytest.approx(2 / 5)
    assert found == pytest.approx({"GM": 1, "WM": 1, "CSF": 1})


def test_overlap_of_other_grids_is_named(folder):
    a = volumes.write(folder / "a.nii.gz", labelled(), AFFINE, dtype=np.uint8)
    b = volumes.write(folder / "b.nii.gz", labelled(), volumes.affine("ras"), dtype=np.uint8)
    with pytest.raises(ImageError, match=r"b.nii.gz: on another grid than .*a.nii.gz"):
        TissueOverlap(reference_file=str(a), in_files=[str(b)]).run()
