"""The interfaces to the evaluation, on one small pair."""

import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.evaluation import brain_masks
from clinica_t1nce.evaluation.measures import measure_images
from clinica_t1nce.interfaces import AlignPair, BrainMask, Disturb, ImageSimilarity, UnionMask
from tests.data import volumes
from tests.interfaces.files import AFFINE, SHAPE, assert_geometry, data


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

    monkeypatch.setattr(brain_masks, "is_skull_stripped", lambda volume: False)
    monkeypatch.setitem(brain_masks.METHODS, "template", fail)
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


def test_disturbed_images_keep_their_grid(pair):
    found = Disturb(in_file=pair["t1nce"]).run().outputs.out_files
    assert len(found) == 2
    for path in found:
        assert_geometry(path, np.float32)
        assert (data(path) != data(pair["t1nce"])).any()


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
    assert found[0]["share_smooth"] == pytest.approx(0, abs=1e-5)
    assert found[1]["share_smooth"] > 0.1
    assert found[1]["mae_smooth"] < found[0]["mae_smooth"]
    assert {"mae_authors", "psnr_matched", "inside", "bias_gm", "nmi", "blur"} <= set(found[0])
    assert found[0]["blur_t1nce"] == found[1]["blur_t1nce"] > 0


def test_images_on_another_grid_are_named(pair, folder):
    other = volumes.write(folder / "other.nii.gz", data(pair["t1ce"]), volumes.affine("ras"))
    for files, named in (([str(other)], "t1nce"), ([pair["t1ce"], str(other)], "t1ce")):
        with pytest.raises(ImageError, match=rf"other.nii.gz: on another grid than .*{named}.nii"):
            ImageSimilarity(
                reference_file=pair["t1nce"], in_files=files, mask_file=pair["mask"],
                common_mask_file=pair["mask"],
            ).run()  # fmt: skip
