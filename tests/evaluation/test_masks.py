import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.evaluation.masks import (
    is_skull_stripped,
    nonzero_mask,
    template_mask,
    union_mask,
)
from clinica_t1nce.images import CROP_SHAPE

CROP_AFFINE = np.array([[1.0, 0, 0, -84], [0, 1, 0, -119], [0, 0, 1, -78], [0, 0, 0, 1]])


@pytest.mark.parametrize(("zeros", "stripped"), [(0.67, True), (0.42, False), (0.2, False)])
def test_share_of_zeros_tells_a_brain_from_a_head(zeros, stripped):
    volume = np.ones(1000, np.float32).reshape(10, 10, 10)
    volume.ravel()[: int(1000 * zeros)] = 0
    assert is_skull_stripped(volume) is stripped


def test_nonzero_mask_is_the_intersection_of_what_exceeds_zero():
    a = np.array([[[-1.0, 0, 1, 2]]])
    b = np.array([[[1.0, 1, 0, 3]]])
    assert nonzero_mask(a).tolist() == [[[False, False, True, True]]]
    assert nonzero_mask(a, b).tolist() == [[[False, False, False, True]]]


def test_union():
    a, b = np.array([[[True, False, False]]]), np.array([[[False, False, True]]])
    assert union_mask(a, b).tolist() == [[[True, False, True]]]
    with pytest.raises(ImageError, match="empty"):
        union_mask(a, a & b)
    with pytest.raises(ImageError, match="one grid"):
        union_mask(a, b[..., :2])


def test_template_lies_where_mni_says():
    mask = template_mask(CROP_SHAPE, CROP_AFFINE)
    assert mask.shape == CROP_SHAPE
    assert mask.dtype == bool
    # A brain of 1.2 to 2.2 litres at 1 mm.
    assert 1.2e6 < mask.sum() < 2.2e6
    for point, inside in [((0, -20, 10), True), ((0, 85, 0), False), ((-60, -20, 20), True)]:
        voxel = tuple(int(p - o) for p, o in zip(point, CROP_AFFINE[:3, 3], strict=True))
        assert mask[voxel] == inside


def test_template_follows_the_orientation_of_the_grid():
    flipped = CROP_AFFINE.copy()
    flipped[0] = [-1, 0, 0, 84]
    straight = template_mask(CROP_SHAPE, CROP_AFFINE)
    assert (template_mask(CROP_SHAPE, flipped)[::-1] == straight).mean() > 0.999
