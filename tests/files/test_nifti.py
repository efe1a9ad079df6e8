import gzip
import logging
import os
import stat
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.errors import ImageError, OutputError
from clinica_t1nce.files import nifti
from tests.data import volumes


@pytest.fixture
def data():
    return volumes.brain()


@pytest.fixture
def image(tmp_path, data):
    return nifti.load(volumes.write(tmp_path / "t1ce.nii.gz", data))


def refused(path, **expected):
    with pytest.raises(ImageError) as caught:
        nifti.load(path, **expected)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


class TestLoad:
    @pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
    @pytest.mark.parametrize("kind", ["ras", "las", "pir", "oblique", "sheared"])
    def test_keeps_voxels_and_geometry_as_stored(self, tmp_path, data, name, kind):
        matrix = volumes.affine(kind, zooms=(1, 1.2, 2))
        image = nifti.load(volumes.write(tmp_path / name, data, matrix))
        np.testing.assert_array_equal(image.data, data)
        np.testing.assert_allclose(image.affine, matrix, atol=1e-5)
        assert (image.data.dtype, image.affine.dtype) == (np.float32, np.float64)
        assert image.data.flags.c_contiguous
        assert image.n_nonfinite == 0

    def test_applies_the_slope_of_integers(self, tmp_path, data):
        path = volumes.write(tmp_path / "a.nii.gz", data, dtype=np.int16, slope=0.25)
        np.testing.assert_allclose(nifti.load(path).data, data, atol=0.126)

    @pytest.mark.parametrize("frames", [(1,), (1, 1)])
    def test_squeezes_a_single_frame(self, tmp_path, data, frames):
        path = volumes.write(tmp_path / "a.nii.gz", data.reshape(data.shape + frames))
        np.testing.assert_array_equal(nifti.load(path).data, data)

    def test_keeps_an_axis_of_one_voxel_that_is_not_a_frame(self, tmp_path):
        path = volumes.write(tmp_path / "a.nii", np.arange(6.0).reshape(1, 2, 3, 1))
        assert nifti.load(path).data.shape == (1, 2, 3)

    def test_reads_nifti2(self, tmp_path, data):
        path = tmp_path / "a.nii.gz"
        nib.save(nib.Nifti2Image(data, volumes.affine("las")), path)
        image = nifti.load(path)
        np.testing.assert_array_equal(image.data, data)
        saved = nifti.save(tmp_path / "b.nii.gz", image.data, image)
        np.testing.assert_allclose(nib.load(saved).affine, volumes.affine("las"), atol=1e-5)

    def test_sets_a_few_nonfinite_voxels_to_zero_and_says_so(self, tmp_path, data, caplog):
        data[12, 14, 8:11] = [np.nan, np.inf, -np.inf]
        path = volumes.write(tmp_path / "a.nii.gz", data)
        with caplog.at_level(logging.WARNING, "clinica_t1nce"):
            image = nifti.load(path)
        assert image.n_nonfinite == 3
        np.testing.assert_array_equal(image.data, np.where(np.isfinite(data), data, 0))
        assert f"{path}: 3 NaN or infinite voxels set to 0" in caplog.text

    def test_accepts_the_grid_expected(self, tmp_path, data):
        path = volumes.write(tmp_path / "a.nii.gz", data, volumes.affine(zooms=(1, 1.0005, 1)))
        assert nifti.load(path, shape=data.shape, zooms=(1, 1, 1)).data.shape == data.shape

    def test_expects_the_grid_of_the_head_not_of_the_file(self, tmp_path, data):
        matrix = volumes.affine("pir", zooms=(2, 3, 4))
        path = volumes.write(tmp_path / "a.nii.gz", data, matrix)
        a, s, r = data.shape
        assert nifti.load(path, shape=(r, a, s), zooms=(4, 2, 3)).data.shape == data.shape
        assert "voxels, not" in refused(path, shape=data.shape)
        assert "mm voxels, not" in refused(path, zooms=(2, 3, 4))


class TestRefusal:
    def test_missing(self, tmp_path):
        assert "no such file" in refused(tmp_path / "none.nii.gz")

    def test_folder(self, tmp_path):
        assert "a folder" in refused(tmp_path)

    @pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
    def test_zero_bytes(self, tmp_path, name):
        path = tmp_path / name
        path.touch()
        assert "an empty file" in refused(path)

    @pytest.mark.parametrize("content", [b"no image", gzip.compress(b"no image" * 100, mtime=0)])
    def test_not_nifti(self, tmp_path, content):
        path = tmp_path / "a.nii.gz"
        path.write_bytes(content)
        assert "not a NIfTI file" in refused(path)

    @pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9999])
    def test_truncated_gzip(self, tmp_path, data, share):
        path = volumes.write(tmp_path / "a.nii.gz", data)
        content = path.read_bytes()
        path.write_bytes(content[: max(3, int(share * len(content)))])
        assert "truncated or damaged gzip" in refused(path)

    def test_a_flipped_bit_in_gzip(self, tmp_path, data):
        path = volumes.write(tmp_path / "a.nii.gz", data)
        content = bytearray(path.read_bytes())
        content[-6] ^= 1
        path.write_bytes(content)
        assert "truncated or damaged gzip" in refused(path)

    @pytest.mark.parametrize("compress", [bytes, gzip.compress])
    def test_truncated_voxels(self, tmp_path, data, compress):
        whole = volumes.write(tmp_path / "whole.nii", data).read_bytes()
        path = tmp_path / "a.nii.gz"
        path.write_bytes(compress(whole[:-1000]))
        assert "truncated" in refused(path)

    def test_truncated_header(self, tmp_path, data):
        path = volumes.write(tmp_path / "a.nii", data)
        path.write_bytes(path.read_bytes()[:200])
        assert "not a NIfTI file" in refused(path)

    def test_several_frames(self, tmp_path, data):
        path = volumes.write(tmp_path / "a.nii.gz", np.stack([data] * 3, axis=-1))
        assert "4-D with 3 frames" in refused(path)

    def test_slice(self, tmp_path):
        path = volumes.write(tmp_path / "a.nii.gz", np.eye(4))
        assert "2-D" in refused(path)

    def test_colours(self, tmp_path):
        path = tmp_path / "a.nii.gz"
        colours = np.zeros((2, 3, 4), [(channel, "u1") for channel in "RGB"])
        nib.save(nib.Nifti1Image(colours, np.eye(4)), path)
        assert "not plain numbers" in refused(path)

    def test_other_shape(self, tmp_path, data):
        path = volumes.write(tmp_path / "a.nii.gz", data)
        message = refused(path, shape=nifti.CROP_SHAPE)
        assert "24 x 28 x 20 voxels, not 169 x 208 x 179" in message
        assert "t1-linear" in message

    def test_other_voxel_size(self, tmp_path, data):
        path = volumes.write(tmp_path / "a.nii.gz", data, volumes.affine(zooms=(1, 1.002, 1)))
        message = refused(path, zooms=nifti.CROP_ZOOMS)
        assert "1 x 1.002 x 1 mm voxels, not 1 x 1 x 1" in message

    @pytest.mark.parametrize("value", [0, 7])
    def test_constant(self, tmp_path, value):
        path = volumes.write(tmp_path / "a.nii.gz", np.full((4, 4, 4), value))
        assert f"every voxel is {value}" in refused(path)

    def test_constant_where_that_is_allowed(self, tmp_path):
        path = volumes.write(tmp_path / "a.nii.gz", np.ones((4, 4, 4)))
        assert (nifti.load(path, constant=True).data == 1).all()

    def test_constant_but_for_nan(self, tmp_path):
        data = np.zeros((10, 10, 10))
        data[0, 0, 0] = np.nan
        assert "every voxel is 0" in refused(volumes.write(tmp_path / "a.nii.gz", data))

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_too_many_nonfinite_voxels(self, tmp_path, data, value):
        data[0] = value
        message = refused(volumes.write(tmp_path / "a.nii.gz", data))
        assert "4.2% of its voxels are NaN or infinite" in message

    def test_affine_that_flattens(self, tmp_path, data):
        path = volumes.write(tmp_path / "a.nii", data)
        content = bytearray(path.read_bytes())
        content[312:328] = bytes(16)  # srow_z
        path.write_bytes(content)
        assert "no usable affine" in refused(path)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_unreadable(self, tmp_path, data):
        path = volumes.write(tmp_path / "a.nii.gz", data)
        path.chmod(0)
        assert "cannot be read" in refused(path)

    def test_damaged_headers_are_refused_or_read_never_a_crash(self, tmp_path, data):
        whole = volumes.write(tmp_path / "whole.nii", data[:4, :4, :4]).read_bytes()
        path = tmp_path / "a.nii"
        rng = np.random.default_rng(0)
        n_refused = 0
        for _ in range(300):
            content = bytearray(whole)
            for place in rng.integers(0, 348, size=4):
                content[place] = rng.integers(256)
            path.write_bytes(content)
            try:
                nifti.load(path)
            except ImageError as error:
                n_refused += 1
                assert "\n" not in str(error)
        assert n_refused > 10


class TestSave:
    @pytest.mark.parametrize(
        ("sform_code", "qform_code", "expected"),
        [(2, 0, 2), (4, 1, 4), (0, 1, 1), (0, 3, 3), (0, 0, 0)],
    )
    @pytest.mark.parametrize("kind", ["ras", "las", "pir", "oblique"])
    def test_geometry_is_the_sources(self, tmp_path, data, kind, sform_code, qform_code, expected):
        source = volumes.write(
            tmp_path / "a.nii.gz",
            data,
            volumes.affine(kind, zooms=(1, 1.5, 2)),
            sform_code=sform_code,
            qform_code=qform_code,
        )
        image = nifti.load(source)
        saved = nib.load(nifti.save(tmp_path / "b.nii.gz", image.data, image))
        assert (int(saved.header["sform_code"]), int(saved.header["qform_code"])) == (expected,) * 2
        before = nib.load(source).affine
        both = (saved.get_sform(), saved.get_qform()) if expected else ()
        for matrix in (saved.affine, *both):
            np.testing.assert_allclose(matrix, before, atol=1e-5)
        assert nib.aff2axcodes(saved.affine) == nib.aff2axcodes(before)

    def test_shear_stays_in_the_sform(self, tmp_path, data):
        matrix = volumes.affine("sheared")
        image = nifti.load(volumes.write(tmp_path / "a.nii.gz", data, matrix))
        saved = nib.load(nifti.save(tmp_path / "b.nii.gz", image.data, image))
        np.testing.assert_allclose(saved.affine, matrix, atol=1e-5)
        np.testing.assert_allclose(
            nib.affines.voxel_sizes(saved.get_qform()), nib.affines.voxel_sizes(matrix), atol=1e-5
        )

    def test_voxels_are_float32_without_slope(self, tmp_path, data):
        source = volumes.write(tmp_path / "a.nii.gz", data, dtype=np.int16, slope=0.25)
        image = nifti.load(source)
        saved = nib.load(nifti.save(tmp_path / "b.nii.gz", image.data / 3, image))
        assert saved.get_data_dtype() == np.float32
        assert saved.dataobj.slope == 1
        assert saved.dataobj.inter == 0
        np.testing.assert_array_equal(saved.get_fdata(dtype=np.float32), image.data / 3)
        assert saved.header.get_xyzt_units()[0] == "mm"

    def test_labels_can_be_integers(self, tmp_path, image):
        labels = (image.data > 300).astype(int)
        saved = nib.load(nifti.save(tmp_path / "b.nii.gz", labels, image, dtype=np.uint8))
        assert saved.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(saved.dataobj, labels)

    def test_nothing_but_geometry_is_taken_from_the_source(self, tmp_path, image):
        image.header["descrip"] = b"scanned on a Monday"
        image.header["cal_max"] = 7
        header = nib.load(
            nifti.save(tmp_path / "b.nii.gz", image.data, image, description="x" * 200)
        ).header
        assert header["descrip"].item() == b"x" * 79
        assert header["cal_max"] == 0

    @pytest.mark.parametrize("name", ["b.nii", "b.nii.gz"])
    def test_same_voxels_same_bytes(self, tmp_path, image, name, monkeypatch):
        first = nifti.save(tmp_path / "one" / name, image.data, image).read_bytes()
        monkeypatch.setattr("time.time", lambda: 2e9)
        second = nifti.save(tmp_path / "two" / f"other-{name}", image.data, image).read_bytes()
        assert first == second

    def test_uncompressed_where_the_name_says_so(self, tmp_path, image):
        path = nifti.save(tmp_path / "b.nii", image.data, image)
        assert path.stat().st_size == 352 + image.data.nbytes
        np.testing.assert_array_equal(nifti.load(path).data, image.data)

    def test_permissions_follow_the_umask(self, tmp_path, image):
        old = os.umask(0o027)
        try:
            path = nifti.save(tmp_path / "b.nii", image.data, image)
        finally:
            os.umask(old)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640

    @pytest.mark.parametrize(
        ("value", "dtype"), [(np.nan, np.float32), (np.inf, np.int16), (1e39, np.float32)]
    )
    def test_nothing_is_written_that_is_not_finite(self, tmp_path, image, value, dtype):
        wrong = image.data.astype(np.float64)
        wrong[1, 2, 3] = value
        with pytest.raises(ImageError, match=r"out\.nii: not written, 1 of its voxels"):
            nifti.save(tmp_path / "out.nii", wrong, image, dtype=dtype)
        assert not list(tmp_path.glob("*out*"))

    def test_another_shape_is_refused(self, tmp_path, image):
        with pytest.raises(ValueError, match="the image they belong to"):
            nifti.save(tmp_path / "b.nii.gz", image.data[1:], image)
        assert not (tmp_path / "b.nii.gz").exists()

    def test_unwritable_folder(self, tmp_path, image):
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="cannot be written") as caught:
            nifti.save(tmp_path / "file" / "b.nii.gz", image.data, image)
        assert "\n" not in str(caught.value)

    def test_full_disk_leaves_the_old_file(self, tmp_path, image):
        resource = pytest.importorskip("resource")
        path = nifti.save(tmp_path / "out" / "b.nii", image.data, image)
        before = path.read_bytes()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        try:
            with pytest.raises(OutputError, match=r"b\.nii: cannot be written"):
                nifti.save(path, image.data + 1, image)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert list(path.parent.iterdir()) == [path]
        assert path.read_bytes() == before


@pytest.mark.real
def test_real_crops_can_be_read():
    caps = Path(__file__).parents[3] / "shared" / "data" / "caps"
    crops = sorted(caps.glob("subjects/*/*/t1_linear/*_desc-Crop_*T1w.nii.gz"))
    if not crops:
        pytest.skip("no ../shared/data")
    for crop in crops[:2]:
        image = nifti.load(crop, shape=nifti.CROP_SHAPE, zooms=nifti.CROP_ZOOMS)
        assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
