import gzip
import shutil
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.caps import names, sidecar
from clinica_t1nce.errors import ImageError, SelectionError, TransformError
from clinica_t1nce.files import nifti
from clinica_t1nce.synthesis.vessels import threshold
from clinica_t1nce.translation.options import Options
from clinica_t1nce.translation.runner import translate
from tests.data.generators import Generator
from tests.data.raw import CROP_START
from tests.data.transforms import matrix, write_itk
from tests.translation.on_grids import job, run

MODEL = sidecar.describe_model(Generator.card)


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
    _, full, native = run(visit, tmp_path, Generator(0.0), *names.SPACES)
    assert gzip.decompress(native.read_bytes()) == gzip.decompress(visit.raw.read_bytes())
    assert np.array_equal(nifti.load(full).data, nifti.load(visit.full).data)


def test_where_it_is_not_one_run_does_for_all_grids(made, generator):
    assert len(generator.seen) == 1
    content = sidecar.read(made[-1])
    assert content["ChangePredictedOn"] == "crop"
    assert content["AgreementWithCrop"] > 0.99
    assert content["Space"] == "native"
    assert content["SpatialReference"].endswith("sub-01_ses-1_ce-gd_T1w.nii.gz")
    assert content["Sources"][0].startswith("bids::subjects/")
    assert len(content["Sources"]) == 3


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


@pytest.mark.real
def test_the_offsets_of_the_real_crop(shared_data):
    from clinica.utils.image import MNI_CROP_BBOX

    crop = next((shared_data / "caps" / "subjects" / "sub-ms26" / "ses-M000ce").rglob("*Crop*"))
    cropped, full = nib.load(crop), nib.load(names.full_path(crop))
    start = np.round(np.linalg.inv(full.affine) @ cropped.affine)[:3, 3]
    found = (MNI_CROP_BBOX.x_slice.start, MNI_CROP_BBOX.y_slice.start, MNI_CROP_BBOX.z_slice.start)
    assert tuple(start) == found == CROP_START
