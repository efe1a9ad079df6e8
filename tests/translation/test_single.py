import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.caps import sidecar
from clinica_t1nce.errors import ImageError, OutputError
from clinica_t1nce.translation import single, single_files
from tests.data import volumes
from tests.data.generators import Generator

DATA = volumes.enhance(volumes.brain())


@pytest.mark.parametrize("kind", ["ras", "las", "pir", "oblique", "sheared"])
@pytest.mark.parametrize("zooms", [(1, 1, 1), (0.5, 0.5, 0.5), (1, 1, 5)])
def test_change_is_taken_and_header_stays(tmp_path, kind, zooms):
    affine = volumes.affine(kind, zooms=zooms)
    source = volumes.write(
        tmp_path / "in.nii.gz", DATA, affine, dtype=np.int16, slope=0.5, qform_code=1
    )
    files = single_files.SingleJob(
        source, tmp_path / "out.nii.gz", tmp_path / "out_enhancement.nii.gz"
    )
    content = single.translate_file(files, Generator()).sidecar
    before, after = nib.load(source), nib.load(files.image)
    assert before.header.binaryblock == after.header.binaryblock
    assert nib.load(files.enhancement).shape == DATA.shape
    t1ce, t1nce = before.get_fdata(), after.get_fdata()
    bright = t1ce > 600
    np.testing.assert_allclose(t1nce[bright], t1ce[bright] / 2, atol=0.5)
    np.testing.assert_array_equal(t1nce[t1ce < 400], t1ce[t1ce < 400])
    removed = nib.load(files.enhancement).get_fdata()
    np.testing.assert_allclose(removed, t1ce - t1nce, atol=0.3)
    assert content == sidecar.read(files.image)
    assert content["Synthetic"] is True
    assert content["Model"]["SHA256"] == "0"
    assert content["GadoliniumProbability"] == 0.9
    assert content["Confidence"] == 0.5
    assert content["Sources"] == ["in.nii.gz"]
    assert sidecar.read(files.enhancement)["Sources"] == ["in.nii.gz", "out.nii.gz"]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_nothing_removed_is_the_same_file(tmp_path, dtype):
    data = DATA / 4 if dtype == np.uint8 else DATA
    source = volumes.write(tmp_path / "in.nii", data, volumes.affine("las"), dtype=dtype)
    files = single_files.SingleJob(source, tmp_path / "out.nii")
    single.translate_file(files, Generator(0))
    assert files.image.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_image_in_memory(dtype):
    image = nib.Nifti1Image(DATA.astype(dtype), volumes.affine("oblique"))
    image.set_qform(image.affine, 1)
    image.set_sform(image.affine, 2)
    found = single.translate_image(image, Generator())
    assert found.header.binaryblock == image.header.binaryblock
    assert found.get_data_dtype() == dtype
    assert found.dataobj[DATA > 600].max() < 0.6 * DATA.max()
    same = single.translate_image(image, Generator(0))
    np.testing.assert_array_equal(same.dataobj, image.dataobj)


def test_voxels_that_are_no_numbers_are_mended_in_memory():
    data = DATA.copy()
    data[0, 0, 0], data[12, 12, 12] = np.nan, np.inf
    found = single.translate_image(nib.Nifti1Image(data, volumes.affine()), Generator())
    assert found.dataobj[0, 0, 0] == found.dataobj[12, 12, 12] == 0
    data[:4] = np.nan
    with pytest.raises(ImageError, match=r"image: .* are NaN or infinite"):
        single.translate_image(nib.Nifti1Image(data, volumes.affine()), Generator())


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (nib.Nifti1Image(DATA, None), "give a NIfTI image with an affine"),
        (nib.MGHImage(DATA.astype(np.float32), np.eye(4)), "MGHImage: give a NIfTI image"),
        (nib.Nifti1Image(DATA.astype(np.complex64), np.eye(4)), "voxels of type complex64"),
    ],
)
def test_what_is_no_image_in_memory_is_refused(image, message):
    with pytest.raises(ImageError, match=message):
        single.translate_image(image, Generator())


def test_an_image_of_two_files_stays_one():
    image = nib.Nifti1Pair(DATA.astype(np.float32), volumes.affine())
    found = single.translate_image(image, Generator())
    assert type(found) is nib.Nifti1Pair
    assert found.dataobj[DATA > 600].max() < 0.6 * DATA.max()


def test_the_greatest_integer_stays():
    data = DATA.astype(np.int32)
    data[2, 2, 2] = np.iinfo(np.int32).max
    found = single.translate_image(nib.Nifti1Image(data, volumes.affine()), Generator())
    assert found.dataobj[2, 2, 2] == data[2, 2, 2]


def test_bias_field_is_given_back_to_the_change(monkeypatch):
    field = np.linspace(0.9, 1.2, DATA.shape[0], dtype=np.float32)[:, None, None]
    monkeypatch.setattr(single.mni.bias, "measure_bias", lambda volume, affine: field)
    found = single.synthesise_volume(DATA * field, volumes.affine(), Generator()).synthesis
    np.testing.assert_allclose(
        found.change, np.where(DATA > 500, DATA / 2, 0) * field, rtol=1e-4, atol=1e-2
    )


@pytest.fixture
def registered(monkeypatch):
    """An image that was registered: as it lies, it is near enough to MNI space."""
    pose = np.eye(4)
    pose[:3, 3] = 2, 3, -4
    monkeypatch.setattr(single.mni, "find_pose", lambda volume, affine: pose)


def test_network_is_shown_mni_space(registered, monkeypatch):
    shown = []

    class Seeing(Generator):
        def __call__(self, volume, affine):
            shown.append((volume.shape, affine))
            return super().__call__(volume, affine)

    found = single.synthesise_volume(DATA, np.eye(4), Seeing())
    ((shape, affine),) = shown
    assert shape == volumes.CROP_SHAPE
    np.testing.assert_array_equal(affine, single.mni.CROP_AFFINE)
    np.testing.assert_allclose(found.synthesis.change[DATA > 500], DATA[DATA > 500] / 2, rtol=1e-3)
    assert not found.synthesis.flags


def test_without_an_affine_the_image_is_shown_as_it_lies(tmp_path):
    source = volumes.write(tmp_path / "in.nii.gz", DATA)
    content = single.translate_file(
        single_files.SingleJob(source, tmp_path / "out.nii"), Generator()
    ).sidecar
    assert [flag["Code"] for flag in content["Flags"]] == ["not-registered"]
    assert "MNI" not in content["ChangePredictedOn"]
    assert content["SkullStripped"] is True


def test_image_in_mni_space(tmp_path, registered):
    source = volumes.write(tmp_path / "in.nii.gz", DATA)
    files = single_files.SingleJob(source, tmp_path / "out.nii.gz", space="mni-crop")
    made = single.translate_file(files, Generator())
    after = nib.load(files.image)
    assert after.shape == volumes.CROP_SHAPE
    np.testing.assert_array_equal(after.affine, single.mni.CROP_AFFINE)
    assert int(after.header["sform_code"]) == 4
    np.testing.assert_array_equal(after.get_fdata(dtype=np.float32), made.t1nce)
    assert (made.t1ce - made.t1nce).max() > 300
    assert "MNI152NLin2009aSym" in made.sidecar["SpatialReference"]


def test_image_in_mni_space_needs_an_affine(tmp_path):
    source = volumes.write(tmp_path / "in.nii.gz", DATA)
    with pytest.raises(ImageError, match=r"in\.nii\.gz: no affine to MNI space"):
        single.translate_file(
            single_files.SingleJob(source, tmp_path / "out.nii.gz", space="mni-crop"), Generator()
        )


def test_a_file_is_classified(tmp_path):
    source = volumes.write(tmp_path / "in.nii.gz", DATA)
    assert single.classify_file(source, Generator()) == 0.9


def ct():
    body = np.where(DATA > 0, np.random.default_rng(0).normal(35, 20, DATA.shape), -1000)
    return body


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (DATA[:, :, 0], {}, "2-D"),
        (np.stack([DATA, DATA], -1), {}, "4-D with 2 frames"),
        (DATA[:, :, 8:11], {}, "localizer"),
        (np.round(DATA / 200), {"dtype": np.int16}, "label map"),
        (np.round(DATA / 200), {"dtype": np.float32}, "label map"),
        (ct(), {"dtype": np.int16}, "a CT"),
        (DATA, {"affine": volumes.affine(zooms=(1, 1, 9))}, "voxels of 1 x 1 x 9 mm"),
        (DATA, {"affine": volumes.affine(zooms=(0.1, 1, 1))}, "voxels of 0.1 x 1 x 1 mm"),
    ],
)
def test_what_is_no_t1w_is_refused(tmp_path, data, options, message):
    source = volumes.write(tmp_path / "in.nii.gz", data, **options)
    files = single_files.SingleJob(source, tmp_path / "out.nii.gz")
    with pytest.raises(ImageError, match=message) as caught:
        single.translate_file(files, Generator())
    assert str(source) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [source]


def test_no_nifti(tmp_path):
    source = tmp_path / "in.nii.gz"
    source.write_text("hello")
    with pytest.raises(ImageError, match="not a NIfTI file"):
        single.translate_file(single_files.SingleJob(source, tmp_path / "out.nii.gz"), Generator())


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    source = volumes.write(tmp_path / "in.nii.gz", DATA)

    def fail(*arguments):
        raise OutputError("disk full")

    monkeypatch.setattr(single.nifti_copy, "save_changed", fail)
    files = single_files.SingleJob(source, tmp_path / "out.nii.gz", tmp_path / "more.nii.gz")
    with pytest.raises(OutputError):
        single.translate_file(files, Generator())
    assert list(tmp_path.iterdir()) == [source]
