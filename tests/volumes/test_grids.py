from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.orientations import io_orientation

from clinica_t1nce.volumes import grids
from tests.data import recipe, volumes

GOLDENS = Path(__file__).parents[3] / "shared" / "reference" / "golden_outputs.npz"


def test_resampling_to_the_same_shape_changes_nothing():
    x = torch.rand(1, 2, 3, 4, 5)
    assert torch.equal(grids.resample(x, (3, 4, 5)), x)


def test_resampling_interpolates_between_voxel_centres():
    x = torch.tensor([0.0, 1.0]).reshape(1, 1, 2, 1, 1)
    out = grids.resample(x, [4, 1, 1]).flatten()
    assert out.tolist() == [0, 0.25, 0.75, 1]


def test_resampling_down_does_not_smooth():
    x = torch.tensor([0.0, 0, 9, 0, 0, 0, 0, 0, 0]).reshape(1, 1, 9, 1, 1)
    assert grids.resample(x, (3, 1, 1)).flatten().tolist() == [0, 0, 0]


@pytest.mark.skipif(not GOLDENS.exists(), reason="no ../shared/reference")
def test_resampling_agrees_with_the_reference():
    goldens = np.load(GOLDENS)
    x = torch.from_numpy(recipe.volume(2, volumes.CROP_SHAPE))[None, None]
    down = grids.resample(x, (128, 128, 128))
    up = grids.resample(down, volumes.CROP_SHAPE)
    np.testing.assert_allclose(down[0, 0, ::8, ::8, ::8], goldens["resize/down"], atol=1e-6)
    np.testing.assert_allclose(up[0, 0, ::13, ::13, ::13], goldens["resize/up"], atol=1e-6)


@pytest.mark.parametrize("shape", [(5, 8, 11), (8, 8, 8), (1, 3, 2)])
def test_padding_is_undone(shape):
    x = torch.rand(2, 1, *shape)
    padded, inside = grids.pad_to_multiple(x, 4)
    assert padded.shape[2:] == tuple(4 * -(-side // 4) for side in shape)
    assert torch.equal(grids.unpad(padded, inside), x)


def test_padding_repeats_the_last_voxel():
    x = torch.arange(6.0).reshape(1, 1, 1, 2, 3)
    padded, _ = grids.pad_to_multiple(x, 4)
    assert padded[0, 0, 3, 3].tolist() == [3, 4, 5, 5]
    assert padded[0, 0, 0, 0].tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize("kind", ["ras", "las", "pir", "oblique", "sheared"])
def test_axes_are_turned_to_ras_and_back(kind):
    volume = volumes.brain()
    matrix = volumes.affine(kind, zooms=(1, 2, 3))
    turned = grids.to_ras(volume, matrix)
    expected = nib.as_closest_canonical(nib.Nifti1Image(volume, matrix))
    np.testing.assert_array_equal(turned, expected.get_fdata(dtype=np.float32))
    assert turned.flags.c_contiguous
    back = grids.from_ras(turned, matrix)
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, volume)


def test_the_orientations_of_the_tests_differ():
    kinds = ("ras", "las", "pir")
    codes = {tuple(map(tuple, io_orientation(volumes.affine(kind)))) for kind in kinds}
    assert len(codes) == len(kinds)


def test_nonzero_box_holds_all_that_is_not_zero():
    volume = np.zeros((9, 8, 7), np.float32)
    volume[2:5, 3, 6] = [1, 0, -1]
    assert grids.nonzero_box(volume) == (slice(2, 5), slice(3, 4), slice(6, 7))
    assert grids.nonzero_box(volume, margin=3) == (slice(0, 8), slice(0, 7), slice(3, 7))
    assert volume[grids.nonzero_box(np.zeros_like(volume))].shape == volume.shape


@pytest.mark.parametrize("kind", ["ras", "las", "lps", "pir", "oblique", "sheared"])
def test_sampling_on_the_same_grid_changes_nothing(kind):
    data, affine = volumes.brain(), volumes.affine(kind, zooms=(1, 1.3, 2.1))
    assert np.array_equal(grids.sample(data, affine, data.shape, affine), data)


@pytest.mark.parametrize("kind", ["las", "lps", "pir"])
def test_sampling_on_turned_axes_gives_the_very_voxels(kind):
    data, affine = volumes.brain(), volumes.affine(kind)
    turned = nib.as_closest_canonical(nib.Nifti1Image(data, affine))
    out = grids.sample(data, affine, turned.shape, turned.affine)
    assert np.array_equal(out, turned.get_fdata())


def test_sampling_beyond_the_volume_gives_zero():
    out = grids.sample(np.ones((2, 2, 2)), np.eye(4), (5, 2, 2), np.eye(4))
    assert out[:, 0, 0].tolist() == [1, 1, 0, 0, 0]
    assert out.dtype == np.float32
