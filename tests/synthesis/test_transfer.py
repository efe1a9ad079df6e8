from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from clinica_t1nce.errors import TransformError
from clinica_t1nce.synthesis import transfer
from clinica_t1nce.volumes import grids
from tests.data import volumes
from tests.data.transforms import matrix

GRIDS = [
    ("ras", (1, 1, 1)),
    ("las", (1, 1, 1)),
    ("lps", (0.9, 0.9, 1.2)),
    ("pir", (1, 1.5, 0.8)),
    ("oblique", (0.9, 0.9, 5.5)),
    ("sheared", (1, 2, 1)),
]
"""Orientation and voxel size of the images that changes are carried to."""


def landmarks(shape):
    """Corner and centre voxels."""
    corners = product(*((0, side - 1) for side in shape))
    return [*corners, tuple(side // 2 for side in shape)]


@pytest.mark.parametrize(("kind", "zooms"), GRIDS)
def test_corners_and_centre_come_from_where_they_lie_in_the_world(kind, zooms):
    """The carried value is the place itself: linear interpolation is exact on it."""
    shape, transform = (12, 10, 8), matrix()
    image_affine = volumes.affine(kind, zooms=zooms, shape=shape)
    crop_affine = volumes.affine("ras", shape=(90, 90, 90))
    index = np.indices((90, 90, 90)).reshape(3, -1)
    places = (crop_affine[:3, :3] @ index + crop_affine[:3, 3:]).reshape(3, 90, 90, 90)
    back = np.linalg.inv(transform)
    carried = np.array(
        [grids.sample(place, crop_affine, shape, image_affine, back) for place in places]
    )
    for voxel in landmarks(shape):
        world = image_affine @ [*voxel, 1]
        expected = (back @ world)[:3]
        np.testing.assert_allclose(carried[(slice(None), *voxel)], expected, atol=1e-3)


@pytest.mark.parametrize(("kind", "zooms"), GRIDS)
def test_a_change_arrives_where_the_affine_says(kind, zooms):
    image_affine = volumes.affine(kind, zooms=zooms)
    transform = matrix()
    crop_affine = np.eye(4)
    crop_affine[:3, 3] = -40
    voxel = np.round(np.linalg.inv(transform @ crop_affine) @ [4, -4, 6, 1]).astype(int)
    change = np.zeros((80, 80, 80), np.float32)
    change[tuple(voxel[:3])] = 100
    change = ndimage.gaussian_filter(change, 2)
    image = np.full(volumes.SHAPE, 50, np.float32)
    image[0, 0, 0] = -100
    out = transfer.transfer(change, crop_affine, image, image_affine, transform)
    removed = np.where(image > 0, image - out, 0)
    centre = image_affine @ [*ndimage.center_of_mass(removed), 1]
    expected = (transform @ crop_affine @ voxel)[:3]
    np.testing.assert_allclose(centre[:3], expected, atol=0.2 * max(zooms))


def test_on_the_same_space_meeting_voxels_keep_their_change_exactly():
    change = np.random.default_rng(0).random((8, 9, 10)).astype(np.float32)
    full_affine, crop_affine = np.eye(4), np.eye(4)
    full_affine[:3, 3] = -96, -132, -78
    crop_affine[:3, 3] = -94, -131, -78
    image = np.full((13, 12, 11), 3, np.float32)
    image[0, 0, 0] = 0
    out = transfer.transfer(change, crop_affine, image, full_affine)
    assert np.array_equal(out[2:10, 1:10, :10], image[2:10, 1:10, :10] - change)
    out[2:10, 1:10, :10] = image[2:10, 1:10, :10]
    assert np.array_equal(out, image)


def test_no_change_is_no_change_at_all():
    image = volumes.brain()
    out = transfer.transfer(
        np.zeros((20, 20, 20)), np.eye(4), image, volumes.affine("oblique"), matrix()
    )
    assert out.tobytes() == image.tobytes()


def test_a_change_far_below_the_noise_is_none():
    image = np.full((4, 4, 4), 200, np.float32)
    change = np.array([0.9, -0.9, 1.1, -1.1], np.float32).repeat(16).reshape(4, 4, 4)
    kept = transfer.without_negligible(change, image)
    assert kept[:, 0, 0].tolist() == [0, 0, np.float32(1.1), np.float32(-1.1)]


def test_a_gain_is_applied_to_the_change():
    image = np.full((4, 4, 4), 10, np.float32)
    image[0, 0, 0] = 1
    change = np.full((4, 4, 4), 2, np.float32)
    gain = np.full((4, 4, 4), 1.5, np.float32)
    out = transfer.transfer(change, np.eye(4), image, np.eye(4), gain=gain)
    assert out[1, 1, 1] == 7


@pytest.fixture(scope="module")
def heads():
    """A head of 1 mm, and the same under a bias field."""
    head = volumes.brain((70, 80, 60))
    x, y, _ = np.meshgrid(*(np.linspace(-1, 1, side) for side in head.shape), indexing="ij")
    return head, 3 * np.exp(0.3 * x - 0.2 * y)


def test_a_bias_field_is_found(heads):
    head, bias = heads
    gain = transfer.measure_gain(head * bias, head)
    inside = head > 0
    error = np.abs(gain / bias - 1)[inside]
    assert error.max() < 0.16
    assert error.mean() < 0.05
    assert transfer.measure_correlation(head * bias / gain, head) > transfer.SAME


def test_without_a_bias_the_gain_is_one(heads):
    head, _ = heads
    np.testing.assert_allclose(transfer.measure_gain(head, head), 1, atol=1e-4)
    np.testing.assert_allclose(transfer.measure_gain(0 * head, head), 1)


@pytest.mark.parametrize(
    ("transform", "low", "high"),
    [
        (lambda head: head, 0.9999, 1.0001),
        (lambda head: np.roll(head, 5, 0), 0.3, transfer.SAME),
        (lambda head: np.roll(head, 35, 1), -1, 0.3),
        (lambda head: 0 * head, -0.01, 0.01),
    ],
)
def test_agreement_falls_with_distance(heads, transform, low, high):
    head, _ = heads
    assert low <= transfer.measure_correlation(transform(head), head) <= high


def bent(head, strength):
    """Bend a head by waves of the length of a lobe; mean displacement about 1.1 x strength, mm."""
    x, y, z = np.meshgrid(*map(np.arange, head.shape), indexing="ij")
    waves = [strength * np.sin(axis / 10 + 1) for axis in (y, z, x)]
    return ndimage.map_coordinates(head, [x + waves[0], y + waves[1], z + waves[2]], order=1)


@pytest.mark.parametrize("transform", [lambda head: head, lambda head: bent(head, 4)])
def test_bent_images_lie_on_each_other(heads, transform):
    head, _ = heads
    transfer.require_related(transform(head), head, "a.mat: of another image")


@pytest.mark.parametrize(
    "transform",
    [
        lambda head: np.roll(head, 20, 1),
        lambda head: bent(np.roll(head, 20, 1), 4),
        lambda head: 0 * head,
    ],
)
def test_images_that_do_not_lie_on_each_other_are_refused(heads, transform):
    head, _ = heads
    with pytest.raises(TransformError, match=r"^a.mat: of another image \(in cubes of 8 mm"):
        transfer.require_related(transform(head), head, "a.mat: of another image")
