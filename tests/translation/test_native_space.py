import gzip
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.errors import ImageError
from clinica_t1nce.files import nifti
from clinica_t1nce.synthesis import transfer
from clinica_t1nce.synthesis.conditioning import condition
from clinica_t1nce.translation import spaces
from clinica_t1nce.translation.options import Options
from clinica_t1nce.volumes import grids
from tests.data import volumes
from tests.data.generators import Generator
from tests.data.raw import make_visit
from tests.translation.on_grids import job, run

MODEL = sidecar.describe_model(Generator.card)


@pytest.fixture(scope="module")
def warped(tmp_path_factory):
    return make_visit(tmp_path_factory.mktemp("warped"), kind="oblique", warp=True)


@pytest.mark.parametrize("is_found", [False, True])
def test_where_the_crop_is_warped_the_network_sees_the_raw_image(
    warped, tmp_path, monkeypatch, is_found
):
    crop = nifti.load(warped.crop)
    raw = spaces.read_raw(crop, warped.raw, warped.affine)
    assert not raw.follows_affine
    pose = raw.transform @ np.diag([0.9, 1.1, 0.9, 1])

    def find_pose(volume, affine):
        if is_found:
            return pose
        raise ImageError("no brain")

    monkeypatch.setattr(spaces.mni, "find_pose", find_pose)
    generator = Generator()
    (native,) = run(warped, tmp_path, generator, "native")
    (seen,) = generator.seen
    image, predicted_on = raw.image, "raw image, moved by the affine"
    agreement = transfer.measure_correlation(seen, raw.on_crop)
    if is_found:
        shown = grids.sample(image.data, image.affine, crop.data.shape, crop.affine, pose)
        assert transfer.measure_correlation(seen, shown) > max(0.97, agreement)
        predicted_on = "raw image, bias-corrected by N4, moved to MNI space"
    else:
        assert agreement == pytest.approx(1)
    content = sidecar.read(native)
    assert content["ChangePredictedOn"] == predicted_on
    assert content["AgreementWithCrop"] < transfer.SAME
    assert "not the raw image moved by t1-linear's affine" in content["Flags"][0]["Text"]
    assert content["Flags"][0]["Code"] == "warped"
    removed = image.data - nifti.load(native).data
    bright = image.data > 600
    assert np.abs(removed[bright] / image.data[bright] - 0.5).mean() < 0.15


class ByPercentile(Generator):
    """Goes by the image that it is shown, as a Synthesizer does."""

    def __call__(self, volume, affine=None):
        given = condition(volume)
        change = (self.share * (given.shown - 400)).clip(min=0).astype(np.float32)
        image = given.subtract(change)
        return replace(super().__call__(volume), image=image, change=volume - image)


@pytest.mark.parametrize("constant", [500, -1024])
def test_a_constant_is_added_to_the_native_result(tmp_path, constant):
    # A field of view that reaches beyond the crop, as of whole heads.
    visit = make_visit(tmp_path / "a", zooms=(4, 4, 8), dtype=np.float32)
    raised = make_visit(tmp_path / "b", zooms=(4, 4, 8), dtype=np.float32, constant=constant)
    plain = run(visit, tmp_path / "plain", ByPercentile(), "native")[0]
    found = run(raised, tmp_path / "raised", ByPercentile(), "native")[0]
    content = sidecar.read(found)
    assert content["AgreementWithCrop"] > transfer.SAME
    difference = nifti.load(found).data - constant - nifti.load(plain).data
    removed = nifti.load(visit.raw).data - nifti.load(plain).data
    assert np.abs(difference).sum() < 0.02 * removed.sum()
    assert np.abs(difference).max() < 0.05 * nifti.load(visit.raw).data.max()


@pytest.mark.parametrize(("codes", "text"), [((1, 2), "qform, as ITK"), ((1, 1), "made from")])
def test_a_raw_image_with_two_geometries_lies_where_its_crop_was_made_from(
    visit, made, tmp_path, codes, text
):
    # As SPM leaves it: the sform is turned and moved, t1-linear took the qform.
    raw = nib.load(visit.raw)
    turned = volumes.affine("oblique") @ raw.affine
    image = nib.Nifti1Image(np.asarray(raw.dataobj), None, raw.header)
    image.set_qform(raw.affine, codes[0])
    image.set_sform(turned, codes[1])
    other = replace(visit, bids=tmp_path / "bids")
    path = tmp_path / "bids" / visit.raw.relative_to(visit.bids)
    path.parent.mkdir(parents=True)
    image.to_filename(path)
    (native,) = run(other, tmp_path / "out", Generator(), "native", save_enhancement=True)
    content = sidecar.read(native)
    assert content["AgreementWithCrop"] > 0.99
    (flag,) = content["Flags"]
    assert flag["Code"] == "forms-differ"
    assert text in flag["Text"]
    assert gzip.decompress(native.read_bytes())[:352] == gzip.decompress(path.read_bytes())[:352]
    np.testing.assert_array_equal(nib.load(native).dataobj, nib.load(made[-1]).dataobj)
    header = nib.load(names.enhancement_path(native)).header
    np.testing.assert_allclose(header.get_sform(), turned, atol=1e-4)
    np.testing.assert_allclose(header.get_qform(), raw.affine, atol=1e-4)


def test_nothing_native_falls_below_zero_and_what_is_not_changed_keeps_its_integers(tmp_path):
    visit = make_visit(tmp_path)
    raw = nib.load(visit.raw)
    stored = np.asarray(raw.dataobj).copy()
    rng = np.random.default_rng(0)
    # Ringing below 0, and one voxel that no scanner gives; with a slope, as scanners' files have.
    low = rng.random(stored.shape) < 0.001
    stored[low & (stored == 0)] = -30
    stored[30, 40, 20] = 32767
    volumes.write(
        visit.raw, stored * 0.37, raw.affine, dtype=np.int16, slope=0.37, sform_code=1, qform_code=1
    )
    before = nib.load(visit.raw)
    assert np.array_equal(before.dataobj.get_unscaled(), stored)
    (native,) = run(visit, tmp_path / "out", Generator(1.0), "native")
    after = np.asarray(nib.load(native).dataobj.get_unscaled())
    assert (after >= np.minimum(stored, 0)).all()
    assert np.array_equal(after[stored <= 0], stored[stored <= 0])
    assert after[30, 40, 20] == 32767
    assert np.count_nonzero(after < stored) > 200


def test_a_blurred_image_is_not_carried_to_the_raw_one(visit, tmp_path):
    generator = Generator(transfers_change=False)
    run(visit, tmp_path, generator, "mni-crop", "native")
    assert len(generator.seen) == 2


def test_another_raw_image_makes_the_native_image_again(visit, tmp_path):
    shutil.copytree(visit.bids, tmp_path / "bids")
    own = replace(visit, bids=tmp_path / "bids")
    run(own, tmp_path, Generator(), "mni-crop", "native")
    options = Options(output_spaces=("mni-crop", "native"), bids_directory=own.bids)
    task = job(own, tmp_path, options)
    assert task.lacks(MODEL) == {}
    with task.raw.open("ab") as file:
        file.write(b"more")
    assert task.lacks(MODEL) == {"native": "source-changed"}


def test_a_raw_image_without_gzip_is_found(visit, tmp_path):
    raw = names.raw_path(visit.crop, tmp_path)
    assert raw.name == "sub-01_ses-1_ce-gd_T1w.nii.gz"
    plain = raw.with_suffix("")
    plain.parent.mkdir(parents=True)
    plain.touch()
    assert names.raw_path(visit.crop, tmp_path) == plain


def test_a_float_image_of_other_orientation_keeps_its_type(tmp_path):
    visit = make_visit(tmp_path, kind="lps", zooms=(3, 2.2, 4.5), dtype=np.float32)
    (native,) = run(visit, tmp_path, Generator(), "native")
    assert sidecar.read(native)["AgreementWithCrop"] > 0.999
    ours, theirs = nib.load(native), nib.load(visit.raw)
    assert ours.header.binaryblock == theirs.header.binaryblock
    kept = theirs.get_fdata() < 400
    assert np.mean((ours.get_fdata() == theirs.get_fdata())[kept]) > 0.9
