import gzip
import shutil
from dataclasses import replace
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.caps.query import SelectedBy
from clinica_t1nce.errors import ImageError, SelectionError, TransformError
from clinica_t1nce.files import nifti
from clinica_t1nce.synthesis import transfer
from clinica_t1nce.synthesis.conditioning import condition
from clinica_t1nce.synthesis.vessels import threshold
from clinica_t1nce.translation import spaces
from clinica_t1nce.translation.jobs import Job
from clinica_t1nce.translation.options import Options
from clinica_t1nce.translation.runner import translate
from clinica_t1nce.volumes.intensity import Scaling
from clinica_t1nce.volumes.itk import read_itk_affine
from tests.data import volumes
from tests.data.raw import CROP_START, make_visit
from tests.data.transforms import matrix, write_itk

ALL = ("mni-crop", "mni", "native")


class Generator:
    """Stands for a Synthesizer: takes a share of everything above 500, at no cost."""

    card = SimpleNamespace(
        inference=SimpleNamespace(batch_statistics=False),
        name="cheap",
        architecture="none",
        sha256="0",
        scaling={"method": "min-max"},
    )
    device = "cpu"

    def __init__(self, share=0.5, transfers_change=True):
        self.share = share
        self.transfers_change = transfers_change
        self.seen = []

    def transferring_change(self):
        other = Generator(self.share)
        other.seen = self.seen
        return other

    def __call__(self, volume, affine=None):
        self.seen.append(volume)
        change = np.where(volume > 500, self.share * volume, 0).astype(np.float32)
        return SimpleNamespace(
            image=volume - change,
            change=change,
            confidence=0.5,
            gadolinium=0.9,
            scaling=Scaling(0.0, 2.0),
            flags=(),
            shown=None,
        )


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    return make_visit(tmp_path_factory.mktemp("visit"))


@pytest.fixture(scope="module")
def warped(tmp_path_factory):
    return make_visit(tmp_path_factory.mktemp("warped"), kind="oblique", warp=True)


def job(visit, folder, options):
    output = folder / names.output_path(visit.crop, "cheap").name
    return Job(visit.crop, output, visit.caps, SelectedBy("tsv"), options)


def run(visit, folder, generator, *wanted, **options):
    task = job(visit, folder, Options(output_spaces=wanted, bids_directory=visit.bids, **options))
    translate(task, generator)
    return [task.targets.images[space].image for space in wanted]


MODEL = sidecar.describe(Generator.card)


def read(visit, space, bids):
    """Read what one grid needs."""
    task = job(visit, visit.caps, Options(output_spaces=(space,), bids_directory=bids))
    return spaces.read_inputs(spaces.read_crop(visit.crop), (space,), task.targets)


@pytest.fixture(scope="module")
def generator():
    return Generator()


@pytest.fixture(scope="module")
def made(visit, generator, tmp_path_factory):
    """The three images, in the order of ALL, and what lies beside them."""
    return run(visit, tmp_path_factory.mktemp("made"), generator, *ALL, save_enhancement=True)


def test_each_grid_has_the_header_of_its_own_image(visit, made):
    crop, full, native = made
    for path, source in ((crop, visit.crop), (full, visit.full), (native, visit.raw)):
        ours, theirs = nib.load(path), nib.load(source)
        assert ours.shape == theirs.shape
        assert np.array_equal(ours.affine, theirs.affine)
        assert np.array_equal(ours.get_qform(), theirs.affine)
    ours, theirs = (gzip.decompress(path.read_bytes()) for path in (native, visit.raw))
    assert ours[:352] == theirs[:352]


def test_the_change_is_the_same_on_each_grid(visit, made):
    crop, full, native = map(nifti.load, made)
    inside = tuple(
        slice(start, start + side) for start, side in zip(CROP_START, crop.data.shape, strict=True)
    )
    np.testing.assert_array_equal(full.data[inside], crop.data)
    raw = nifti.load(visit.raw)
    removed = raw.data - native.data
    bright = raw.data > 600
    assert np.abs(removed[bright] / raw.data[bright] - 0.5).mean() < 0.15
    dark = raw.data < 400
    assert np.mean(removed[dark] == 0) > 0.9


def test_the_round_trip_of_an_unchanged_image_differs_by_nothing(visit, tmp_path):
    _, full, native = run(visit, tmp_path, Generator(0.0), *ALL)
    assert gzip.decompress(native.read_bytes()) == gzip.decompress(visit.raw.read_bytes())
    assert np.array_equal(nifti.load(full).data, nifti.load(visit.full).data)


@pytest.mark.parametrize("is_found", [False, True])
def test_where_the_crop_is_warped_the_network_sees_the_raw_image(
    warped, tmp_path, monkeypatch, is_found
):
    generator = Generator()
    predicted_on = "raw image, moved by the affine"
    pose = read_itk_affine(names.affine_path(warped.crop)) @ np.diag([0.9, 1.1, 0.9, 1])
    if is_found:
        predicted_on = "raw image, bias-corrected by N4, moved to MNI space"

    def find_pose(volume, affine):
        if is_found:
            return pose
        raise ImageError("no brain")

    monkeypatch.setattr(spaces.mni, "find_pose", find_pose)
    (native,) = run(warped, tmp_path, generator, "native")
    raw = read(warped, "native", warped.bids).raw
    assert not raw.follows_affine
    assert raw.is_registered == is_found
    assert np.array_equal(raw.transform, pose) == is_found
    (seen,) = generator.seen
    assert transfer.measure_correlation(seen, raw.on_crop) == pytest.approx(1)
    content = sidecar.read(native)
    assert content["ChangePredictedOn"] == predicted_on
    assert content["AgreementWithCrop"] < transfer.SAME
    assert "not the raw image moved by t1-linear's affine" in content["Flags"][0]["Text"]
    assert content["Flags"][0]["Code"] == "warped"
    image = nifti.load(warped.raw)
    removed = image.data - nifti.load(native).data
    bright = image.data > 600
    assert np.abs(removed[bright] / image.data[bright] - 0.5).mean() < 0.15


class ByPercentile(Generator):
    """A Generator that goes by the image that it is shown, as a Synthesizer does."""

    def transferring_change(self):
        return self

    def __call__(self, volume, affine=None):
        given = condition(volume)
        change = (self.share * (given.shown - 400)).clip(min=0).astype(np.float32)
        image = given.subtract(change)
        return SimpleNamespace(
            **vars(super().__call__(volume)) | {"image": image, "change": volume - image}
        )


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


def test_where_it_is_not_one_run_does_for_all_grids(made, generator):
    assert len(generator.seen) == 1
    content = sidecar.read(made[-1])
    assert content["ChangePredictedOn"] == "crop"
    assert content["AgreementWithCrop"] > 0.99
    assert content["Space"] == "native"
    assert content["SpatialReference"].endswith("sub-01_ses-1_ce-gd_T1w.nii.gz")
    assert content["Sources"][0].startswith("bids::subjects/")
    assert len(content["Sources"]) == 3


def test_a_blurred_image_is_not_carried_to_the_raw_one(visit, tmp_path):
    generator = Generator(transfers_change=False)
    run(visit, tmp_path, generator, "mni-crop", "native")
    assert len(generator.seen) == 2


def test_enhancement_and_vessels_lie_beside_each_image(visit, made):
    for path, source in zip(made, (visit.crop, visit.full, visit.raw), strict=True):
        removed = nifti.load(names.enhancement_path(path))
        change = nifti.load(source).data - nifti.load(path).data
        # A raw image of integers is rounded, the map is not.
        np.testing.assert_allclose(removed.data, change, atol=0.51)
        mask = nib.load(names.vessels_path(path))
        assert mask.get_data_dtype() == np.uint8
        assert mask.shape == change.shape
        values = mask.get_fdata()
        assert 0 < values.mean() < 0.05
        assert change[values > 0].mean() > 300


def test_what_lies_beside_says_what_it_is(visit, made):
    for path, source in zip(made, (visit.crop, visit.full, visit.raw), strict=True):
        ours = sidecar.read(path)
        removed = sidecar.read(names.enhancement_path(path))
        vessels = sidecar.read(names.vessels_path(path))
        resolved = [
            names.resolve(uri, visit.caps, path.parent).resolve() for uri in removed["Sources"]
        ]
        assert resolved == [source.resolve(), path.resolve()]
        assert removed["Units"] == "arbitrary, those of the T1ce"
        assert vessels["Sources"] == ours["Sources"]
        given = nifti.load(visit.crop).data
        assert vessels["Threshold"]["Removed"] == pytest.approx(threshold(given), 1e-4)
        assert vessels["Threshold"]["ShareOfBrightTissue"] == 0.25
        for content in (removed, vessels):
            assert content["Synthetic"] is True
            assert content["Model"] == ours["Model"]
            assert content["Space"] == ours["Space"]
            assert content["SpatialReference"] == ours["SpatialReference"]
            assert content["GeneratedBy"][0]["Name"] == "clinica-t1nce"


def test_a_map_without_its_sidecar_is_made_again(visit, tmp_path):
    (crop,) = run(visit, tmp_path, Generator(), "mni-crop", save_enhancement=True)
    again = job(visit, tmp_path, Options(save_enhancement=True, keep_existing=True))
    assert again.lacks(MODEL) == {}
    beside = names.sidecar_path(names.vessels_path(crop))
    beside.unlink()
    assert again.lacks(MODEL) == {"mni-crop": "missing"}
    translate(again, Generator())
    assert beside.is_file()


@pytest.mark.parametrize(("scale", "flagged"), [(0.95, False), (0.65, True)])
def test_a_brain_that_was_blown_up_to_a_head_is_flagged(visit, tmp_path, scale, flagged):
    shutil.copytree(visit.caps, tmp_path / "caps")
    own = replace(visit, crop=tmp_path / "caps" / visit.crop.relative_to(visit.caps))
    write_itk(names.affine_path(own.crop), matrix(scale=scale))
    (crop,) = run(own, tmp_path, Generator(), "mni-crop")
    told = [flag for flag in sidecar.read(crop)["Flags"] if "3.6 times larger" in flag["Text"]]
    assert [flag["Code"] for flag in told] == ["enlarged"] * flagged


def test_what_is_there_is_kept_and_what_is_missing_made(visit, tmp_path):
    (crop,) = run(visit, tmp_path, Generator(), "mni-crop")
    before = crop.stat().st_mtime_ns
    options = Options(
        output_spaces=("mni-crop", "native"), bids_directory=visit.bids, keep_existing=True
    )
    task = job(visit, tmp_path, options)
    assert task.lacks(MODEL) == {"native": "missing"}
    translate(task, Generator())
    assert crop.stat().st_mtime_ns == before
    assert task.lacks(MODEL) == {}
    generator = Generator()
    assert translate(task, generator).sidecar["Space"] == "mni-crop"
    assert generator.seen == []
    with_map = job(visit, tmp_path, Options(save_enhancement=True, keep_existing=True))
    assert with_map.lacks(MODEL) == {"mni-crop": "missing"}


def test_another_raw_image_makes_the_native_image_again(visit, tmp_path):
    shutil.copytree(visit.bids, tmp_path / "bids")
    own = replace(visit, bids=tmp_path / "bids")
    run(own, tmp_path, Generator(), "mni-crop", "native")
    options = Options(output_spaces=("mni-crop", "native"), bids_directory=own.bids)
    task = job(own, tmp_path, options)
    assert task.lacks(MODEL) == {}
    with task.targets.raw.open("ab") as file:
        file.write(b"more")
    assert task.lacks(MODEL) == {"native": "source-changed"}


def test_a_raw_image_without_gzip_is_found(visit, tmp_path):
    raw = names.raw_path(visit.crop, tmp_path)
    assert raw.name == "sub-01_ses-1_ce-gd_T1w.nii.gz"
    plain = raw.with_suffix("")
    plain.parent.mkdir(parents=True)
    plain.touch()
    assert names.raw_path(visit.crop, tmp_path) == plain


class TestBadInput:
    @pytest.fixture
    def own(self, visit, tmp_path):
        root = visit.caps.parent
        shutil.copytree(root, tmp_path, dirs_exist_ok=True)
        paths = {
            name: tmp_path / path.relative_to(root)
            for name, path in vars(visit).items()
            if name != "transform"
        }
        return replace(visit, **paths)

    def refused(self, own, space, error, *words):
        task = job(own, own.caps / "out", Options(output_spaces=(space,), bids_directory=own.bids))
        with pytest.raises(error) as caught:
            translate(task, Generator())
        assert "\n" not in str(caught.value)
        assert all(word in str(caught.value) for word in words), str(caught.value)
        assert not task.output.parent.exists()

    def test_no_affine(self, own):
        own.affine.unlink()
        self.refused(own, "native", TransformError, str(own.affine), "t1-linear")

    @pytest.mark.parametrize("distance", [20, 90])
    def test_the_affine_of_another_image(self, own, distance):
        other = own.transform.copy()
        other[:3, 3] += distance / np.sqrt(3)
        write_itk(own.affine, other)
        self.refused(own, "native", TransformError, str(own.affine), "of another image")

    def test_raw_moved(self, own):
        own.raw.rename(own.bids / "elsewhere.nii.gz")
        self.refused(own, "native", ImageError, str(own.raw), "--bids-directory")

    def test_raw_in_a_folder_that_may_not_be_read(self, own, monkeypatch):
        is_file = type(own.raw).is_file

        def guarded(path):
            if "anat" in path.parts:
                raise PermissionError(13, "Permission denied", str(path))
            return is_file(path)

        monkeypatch.setattr(type(own.raw), "is_file", guarded)
        self.refused(own, "native", ImageError, str(own.raw), "check the permissions")

    def test_raw_damaged(self, own):
        own.raw.write_bytes(own.raw.read_bytes()[:500])
        self.refused(own, "native", ImageError, str(own.raw), "truncated")

    def test_no_whole_image(self, own):
        own.full.unlink()
        self.refused(own, "mni", ImageError, str(own.full), "--output-space mni-crop")

    def test_the_whole_image_of_another(self, own):
        full = nifti.load(own.full)
        nifti.save(own.full, full.data[::-1], full)
        self.refused(own, "mni", ImageError, "was not cut from")

    def test_no_bids(self):
        with pytest.raises(SelectionError, match="--bids-directory"):
            Options(output_spaces=["native"])


def test_a_float_image_of_other_orientation_keeps_its_type(tmp_path):
    visit = make_visit(tmp_path, kind="lps", zooms=(3, 2.2, 4.5), dtype=np.float32)
    (native,) = run(visit, tmp_path, Generator(), "native")
    assert sidecar.read(native)["AgreementWithCrop"] > 0.999
    ours, theirs = nib.load(native), nib.load(visit.raw)
    assert ours.header.binaryblock == theirs.header.binaryblock
    kept = theirs.get_fdata() < 400
    assert np.mean((ours.get_fdata() == theirs.get_fdata())[kept]) > 0.9


@pytest.mark.real
def test_the_offsets_of_the_real_crop(shared_data):
    from clinica.utils.image import MNI_CROP_BBOX

    crop = next((shared_data / "caps" / "subjects" / "sub-ms26" / "ses-M000ce").rglob("*Crop*"))
    cropped, full = nib.load(crop), nib.load(names.full_path(crop))
    start = np.round(np.linalg.inv(full.affine) @ cropped.affine)[:3, 3]
    found = (MNI_CROP_BBOX.x_slice.start, MNI_CROP_BBOX.y_slice.start, MNI_CROP_BBOX.z_slice.start)
    assert tuple(start) == found == CROP_START
