"""The interfaces to the evaluation, on one small pair in a folder whose name has a space."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.evaluation import brains, segmentation
from clinica_t1nce.evaluation.measures import measure_images
from clinica_t1nce.evaluation.segmentation import Segmentation
from clinica_t1nce.evaluation.volumes import measure_volumes
from clinica_t1nce.interfaces import (
    AlignPair,
    BrainMask,
    ImageSimilarity,
    TissueOverlap,
    TissueVolumes,
    UnionMask,
)
from tests.data import volumes

SHAPE = (40, 48, 36)
AFFINE = volumes.affine("las", shape=SHAPE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    made = tmp_path / "a folder"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def pair(folder):
    t1nce = volumes.brain(SHAPE)
    t1ce = volumes.enhance(t1nce)
    better = np.where(t1ce > t1nce, t1nce + 30, t1nce)
    files = {"t1nce": t1nce, "t1ce": t1ce, "synthetic": better, "mask": (t1nce > 0)}
    return {
        name: str(volumes.write(folder / f"{name}.nii.gz", data.astype(np.float32), AFFINE))
        for name, data in files.items()
    }


def data(path):
    return np.asarray(nib.load(path).dataobj)


def assert_geometry(path, dtype):
    image = nib.load(path)
    assert image.get_data_dtype() == dtype
    for form, code in (image.get_qform(coded=True), image.get_sform(coded=True)):
        np.testing.assert_allclose(form, AFFINE, atol=1e-5)
        assert code > 0
    assert Path(path).is_relative_to(Path.cwd())


def test_brain_mask_of_a_stripped_image(pair):
    found = BrainMask(in_file=pair["t1nce"]).run().outputs
    assert found.source == "skull-stripped already"
    np.testing.assert_array_equal(data(found.out_file), data(pair["mask"]))
    assert_geometry(found.out_file, np.uint8)


def test_brain_mask_of_ones_own(pair):
    found = BrainMask(in_file=pair["t1ce"], mask_file=pair["synthetic"]).run().outputs
    assert found.source == pair["synthetic"]
    np.testing.assert_array_equal(data(found.out_file), data(pair["synthetic"]) > 0)


def test_a_mask_on_another_grid_is_named(pair, folder):
    other = volumes.write(folder / "other.nii.gz", data(pair["mask"]), volumes.affine("ras"))
    with pytest.raises(ImageError, match=r"other.nii.gz: on another grid than .*t1ce.nii.gz"):
        BrainMask(in_file=pair["t1ce"], mask_file=str(other)).run()


def test_masks_of_everything_and_of_nothing(pair, folder):
    everything, nothing = (
        str(volumes.write(folder / f"m{n}.nii.gz", np.full(SHAPE, n), AFFINE, dtype=np.uint8))
        for n in (1, 0)
    )
    found = BrainMask(in_file=pair["t1ce"], mask_file=everything).run().outputs
    assert data(found.out_file).all()
    with pytest.raises(ImageError, match=r"m0.nii.gz: the mask is empty"):
        BrainMask(in_file=pair["t1ce"], mask_file=nothing).run()
    half = data(pair["mask"]).copy()
    half[: SHAPE[0] // 2] = 0
    halves = [half, data(pair["mask"]) - half]
    files = [str(volumes.write(folder / f"h{n}.nii.gz", h, AFFINE)) for n, h in enumerate(halves)]
    with pytest.raises(ImageError, match=r"h0.nii.gz: the brain masks have no voxel in common"):
        UnionMask(in_files=files).run()


def test_the_method_reaches_the_function_and_errors_name_the_file(pair, monkeypatch):
    def fail(volume, affine):
        raise ImageError("no brain here")

    monkeypatch.setattr(brains, "is_skull_stripped", lambda volume: False)
    monkeypatch.setitem(brains.METHODS, "template", fail)
    with pytest.raises(ImageError, match=r"t1ce.nii.gz: no brain here"):
        BrainMask(in_file=pair["t1ce"], method="template").run()


@pytest.mark.parametrize("method", ["none", "rigid", "affine"])
def test_alignment(pair, folder, method):
    moved = volumes.write(folder / "moved.nii.gz", np.roll(data(pair["t1nce"]), 2, 0), AFFINE)
    mask = volumes.write(folder / "moved_mask.nii.gz", np.roll(data(pair["mask"]), 2, 0), AFFINE)
    found = (
        AlignPair(
            t1nce_file=str(moved),
            t1nce_mask=str(mask),
            t1ce_file=pair["t1ce"],
            t1ce_mask=pair["mask"],
            method=method,
        )
        .run()
        .outputs
    )
    transform = np.loadtxt(found.transform_file)
    # The grid runs to the left.
    expected = 0 if method == "none" else -2
    assert transform[0, 3] == pytest.approx(expected, abs=0.6)
    error = np.abs(data(found.out_file) - data(pair["t1nce"])).mean()
    before = np.abs(data(moved) - data(pair["t1nce"])).mean()
    assert error == before if method == "none" else error < 0.5 * before
    shift = ((data(found.out_mask) > 0) != (data(pair["mask"]) > 0)).sum()
    assert shift < 0.5 * ((data(mask) > 0) != (data(pair["mask"]) > 0)).sum() or method == "none"
    assert_geometry(found.out_file, np.float32)
    assert_geometry(found.out_mask, np.uint8)


def test_without_alignment_the_grids_must_be_one(pair, folder):
    other = volumes.write(folder / "o.nii.gz", data(pair["t1nce"]), volumes.affine("ras"))
    mask = volumes.write(folder / "m.nii.gz", data(pair["mask"]), volumes.affine("ras"))
    with pytest.raises(ImageError, match=r"o.nii.gz: on another grid.*--align rigid"):
        AlignPair(
            t1nce_file=str(other), t1nce_mask=str(mask), t1ce_file=pair["t1ce"],
            t1ce_mask=pair["mask"], method="none",
        ).run()  # fmt: skip


def test_union_of_masks(pair, folder):
    other = volumes.write(folder / "other.nii.gz", np.roll(data(pair["mask"]), 3, 1), AFFINE)
    found = UnionMask(in_files=[pair["mask"], str(other)]).run().outputs
    a, b = data(pair["mask"]) > 0, data(other) > 0
    np.testing.assert_array_equal(data(found.out_file), a | b)
    np.testing.assert_array_equal(data(found.common_file), a & b)
    assert found.overlap == pytest.approx((a & b).sum() / (a | b).sum())
    assert_geometry(found.out_file, np.uint8)


def test_similarity_is_that_of_the_function(pair):
    found = (
        ImageSimilarity(
            reference_file=pair["t1nce"],
            in_files=[pair["t1ce"], pair["synthetic"]],
            mask_file=pair["mask"],
            common_mask_file=pair["mask"],
            protocol="authors",
        )
        .run()
        .outputs.measures
    )
    mask = data(pair["mask"]) > 0
    images = [data(pair[name]) for name in ("t1ce", "synthetic")]
    assert found == measure_images(data(pair["t1nce"]), images, mask, mask, as_authors=True)
    assert found[0]["share"] == 0 < found[1]["share"]
    assert found[1]["mae_matched"] < found[0]["mae_matched"]
    assert {"mae_authors", "psnr_matched", "inside"} <= set(found[0])


def test_images_on_another_grid_are_named(pair, folder):
    other = volumes.write(folder / "other.nii.gz", data(pair["t1ce"]), volumes.affine("ras"))
    for files, named in (([str(other)], "t1nce"), ([pair["t1ce"], str(other)], "t1ce")):
        with pytest.raises(ImageError, match=rf"other.nii.gz: on another grid than .*{named}.nii"):
            ImageSimilarity(
                reference_file=pair["t1nce"], in_files=files, mask_file=pair["mask"],
                common_mask_file=pair["mask"],
            ).run()  # fmt: skip


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


def test_volumes_by_atropos_get_image_mask_and_priors(pair, folder, monkeypatch):
    seen = []

    def segment(volume, affine, mask, priors):
        seen.append((volume, affine, mask, priors))
        return Segmentation(labelled(), np.stack([labelled() == k for k in (1, 2, 3)]) * 0.5)

    monkeypatch.setattr(segmentation, "segment", segment)
    priors = three_maps(folder, "prior", labelled())
    inputs = {"in_files": [pair["t1nce"], pair["t1ce"]], "mask_file": pair["mask"]}
    found = TissueVolumes(**inputs, prior_files=priors).run().outputs
    assert len(seen) == 2
    for (volume, affine, mask, given), name in zip(seen, ("t1nce", "t1ce"), strict=True):
        np.testing.assert_array_equal(volume, data(pair[name]))
        np.testing.assert_allclose(affine, AFFINE)
        np.testing.assert_array_equal(mask, data(pair["mask"]) > 0)
        np.testing.assert_array_equal(given[2], labelled() == 3)
    assert data(found.gm_files[1]).max() == 0.5
    assert found.volumes[0] == measure_volumes(labelled(), AFFINE)


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
