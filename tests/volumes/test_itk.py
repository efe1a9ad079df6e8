import numpy as np
import pytest

from clinica_t1nce.errors import TransformError
from clinica_t1nce.volumes.itk import read_itk_affine
from tests.data.transforms import matrix, write_itk


@pytest.mark.parametrize(
    "kind", ["AffineTransform_float_3_3", "MatrixOffsetTransformBase_double_3_3"]
)
def test_the_matrix_is_ras(tmp_path, kind):
    path = write_itk(tmp_path / "a.mat", matrix(), kind=kind)
    np.testing.assert_allclose(read_itk_affine(path), matrix(), atol=1e-5)


def test_a_shift_to_the_left_in_lps_is_one_to_the_right_of_nothing(tmp_path):
    ras = np.eye(4)
    ras[:3, 3] = -5, -6, 7
    found = read_itk_affine(write_itk(tmp_path / "a.mat", ras))
    np.testing.assert_allclose(found @ [0, 0, 0, 1], [-5, -6, 7, 1], atol=1e-5)


def test_ants_moves_points_the_same_way(tmp_path):
    import ants

    path = write_itk(tmp_path / "a.mat", matrix())
    x, y, z = 10.0, -20.0, 30.0
    theirs = ants.read_transform(str(path)).apply_to_point((-x, -y, z))
    ours = read_itk_affine(path) @ [x, y, z, 1]
    np.testing.assert_allclose([-theirs[0], -theirs[1], theirs[2]], ours[:3], atol=1e-3)


@pytest.mark.real
def test_ants_moves_points_of_a_real_affine_the_same_way(shared_data):
    import ants

    path = next((shared_data / "caps" / "subjects" / "sub-ms26").rglob("*_affine.mat"))
    theirs = ants.read_transform(str(path)).apply_to_point((-40.0, 50.0, 60.0))
    ours = read_itk_affine(path) @ [40, -50, 60, 1]
    np.testing.assert_allclose([-theirs[0], -theirs[1], theirs[2]], ours[:3], atol=1e-3)


@pytest.mark.parametrize("content", [None, b"", b"no affine at all", b"\0" * 300])
def test_what_is_no_affine_is_named(tmp_path, content):
    path = tmp_path / "a.mat"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TransformError, match="t1-linear") as caught:
        read_itk_affine(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_other_transforms_are_refused(tmp_path):
    path = write_itk(tmp_path / "a.mat", matrix(), kind="Euler3DTransform_double_3_3")
    with pytest.raises(TransformError, match="not an affine"):
        read_itk_affine(path)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_what_cannot_be_inverted_is_refused(tmp_path, value):
    ras = np.eye(4)
    ras[0, 0] = value
    with pytest.raises(TransformError):
        read_itk_affine(write_itk(tmp_path / "a.mat", ras))
