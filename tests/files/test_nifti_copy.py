import gzip

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.files import nifti, nifti_copy
from tests.data import volumes


@pytest.fixture
def data():
    return volumes.brain()


@pytest.fixture
def image(tmp_path, data):
    return nifti.load(volumes.write(tmp_path / "t1ce.nii.gz", data))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", ["las", "oblique"])
def test_a_copy_with_forms_keeps_voxels_and_slope(tmp_path, ending, kind):
    source = volumes.write(
        tmp_path / "a.nii.gz", volumes.brain(), volumes.affine(kind), dtype=np.int16, slope=0.5
    )
    moved = volumes.affine(kind)
    moved[:3, 3] += (100, 0, -20)
    target = nifti_copy.copy_with_forms(source, tmp_path / f"b{ending}", moved)
    old, new = nib.load(source), nib.load(target)
    assert np.array_equal(new.dataobj.get_unscaled(), old.dataobj.get_unscaled())
    assert (new.dataobj.slope, new.get_data_dtype()) == (0.5, np.int16)
    for form, code in (new.get_sform(coded=True), new.get_qform(coded=True)):
        assert code == 2
        np.testing.assert_allclose(form, moved, atol=1e-4)
    assert nifti_copy.copy_with_forms(source, tmp_path / f"c{ending}", moved).read_bytes() == (
        target.read_bytes()
    )


def test_a_copy_of_no_image_leaves_nothing(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"no image")
    with pytest.raises(ImageError, match="not a NIfTI file"):
        nifti_copy.copy_with_forms(tmp_path / "a.nii", tmp_path / "b.nii", np.eye(4))
    assert not (tmp_path / "b.nii").exists()


class TestSaveChanged:
    @pytest.mark.parametrize("kind", ["ras", "las", "lps", "pir", "oblique"])
    @pytest.mark.parametrize(
        ("dtype", "slope"), [(np.int16, 0.25), (np.uint8, None), (np.float32, None), (">i2", None)]
    )
    def test_without_change_the_file_is_the_same_to_the_bit(
        self, tmp_path, data, kind, dtype, slope
    ):
        matrix = volumes.affine(kind, zooms=(1, 1.2, 5))
        values = data if slope else np.clip(data, 0, 255)
        source = nifti.load(
            volumes.write(tmp_path / "a.nii", values, matrix, dtype=dtype, slope=slope)
        )
        nifti_copy.save_changed(tmp_path / "b.nii", source.data, source)
        nifti_copy.save_changed(tmp_path / "c.nii.gz", source.data, source)
        assert (tmp_path / "b.nii").read_bytes() == source.path.read_bytes()
        assert gzip.decompress((tmp_path / "c.nii.gz").read_bytes()) == source.path.read_bytes()

    def test_only_changed_voxels_are_written_rounded_to_what_the_type_holds(self, tmp_path, data):
        path = volumes.write(
            tmp_path / "a.nii.gz", data, volumes.affine("las"), dtype=np.int16, slope=0.25
        )
        source = nifti.load(path)
        changed = source.data.copy()
        changed[3, 4, 5] = 10.1
        changed[6, 7, 8] = 1e9
        nifti_copy.save_changed(tmp_path / "b.nii.gz", changed, source)
        before, after = (nib.load(tmp_path / name) for name in ("a.nii.gz", "b.nii.gz"))
        assert before.header.binaryblock == after.header.binaryblock
        old, new = (np.asarray(image.dataobj.get_unscaled()) for image in (before, after))
        assert (new[3, 4, 5], new[6, 7, 8]) == (40, 32767)
        assert np.argwhere(old != new).tolist() == [[3, 4, 5], [6, 7, 8]]

    def test_large_integers_that_float32_cannot_hold_stay(self, tmp_path, data):
        stored = data.astype(np.int32) + 2**24 + 1
        source = nifti.load(volumes.write(tmp_path / "a.nii", stored, dtype=np.int32))
        changed = source.data.copy()
        changed[0, 0, 0] = 7
        nifti_copy.save_changed(tmp_path / "b.nii", changed, source)
        stored[0, 0, 0] = 7
        assert np.array_equal(nib.load(tmp_path / "b.nii").dataobj, stored)

    def test_a_single_frame_keeps_its_fourth_axis(self, tmp_path, data):
        source = nifti.load(volumes.write(tmp_path / "a.nii", data[..., None]))
        nifti_copy.save_changed(tmp_path / "b.nii", source.data / 2, source)
        written = nib.load(tmp_path / "b.nii")
        assert np.array_equal(written.get_fdata()[..., 0], data / 2)

    def test_voxels_that_are_not_finite_become_what_was_read(self, tmp_path, data):
        data[1, 2, 3], data[4, 5, 6] = np.nan, -np.inf
        source = nifti.load(volumes.write(tmp_path / "a.nii", data))
        nifti_copy.save_changed(tmp_path / "b.nii", source.data, source)
        written = nib.load(tmp_path / "b.nii").get_fdata(dtype=np.float32)
        np.testing.assert_array_equal(written, np.nan_to_num(data, nan=0, neginf=0))

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
    def test_nothing_is_written_that_is_not_finite(self, tmp_path, data, image, value):
        wrong = data.astype(np.float64)
        wrong[1, 2, 3] = value
        with pytest.raises(ImageError, match=r"b\.nii\.gz: not written, 1 of its voxels"):
            nifti_copy.save_changed(tmp_path / "b.nii.gz", wrong, image)
        assert not list(tmp_path.glob("*b.nii*"))

    def test_another_shape_and_a_replaced_file_are_refused(self, tmp_path, data, image):
        with pytest.raises(ValueError, match="the image they change"):
            nifti_copy.save_changed(tmp_path / "b.nii", data[1:], image)
        volumes.write(image.path, data[1:])
        with pytest.raises(ImageError, match="replaced"):
            nifti_copy.save_changed(tmp_path / "b.nii", data, image)
        assert not (tmp_path / "b.nii").exists()
