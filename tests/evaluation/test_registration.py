import os

import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.evaluation.registration import align_images, resample_cubic
from tests.data import volumes

SHAPE = (40, 48, 36)


def rotation(degrees: float, shift: tuple[float, float, float]) -> np.ndarray:
    angle = np.deg2rad(degrees)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = shift
    return matrix


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    """A brain with a few lesions: without them a turned ellipsoid hardly differs."""
    brain = volumes.brain(SHAPE)
    grid = np.indices(SHAPE)
    for centre, radius, value in [
        ((12, 30, 20), 4, 150),
        ((28, 16, 12), 5, 700),
        ((24, 34, 26), 3, 50),
    ]:
        distance = np.linalg.norm(grid - np.array(centre)[:, None, None, None], axis=0)
        brain[(distance < radius) & (brain > 0)] = value
    return brain


@pytest.mark.parametrize("kind", ["ras", "pir", "oblique"])
def test_a_known_movement_is_found(head, kind):
    """Moving image = the head seen after a movement; the two lie in files of other axes."""
    pytest.importorskip("ants")
    fixed_affine = volumes.affine("ras", shape=SHAPE)
    moving_affine = volumes.affine(kind, shape=SHAPE)
    truth = rotation(4, (2.0, -1.5, 1.0))
    moving = resample_cubic(head, fixed_affine, SHAPE, moving_affine, np.linalg.inv(truth))
    found = align_images(moving, moving_affine, volumes.enhance(head), fixed_affine)
    corners = np.array([[-10, 10], [-12, 12], [-8, 8]])
    points = np.array([*np.stack(np.meshgrid(*corners)).reshape(3, -1), np.ones(8)])
    distance = np.linalg.norm(((found.transform - truth) @ points)[:3], axis=0)
    assert distance.max() < 0.5
    np.testing.assert_allclose(
        found.transform[:3, :3] @ found.transform[:3, :3].T, np.eye(3), atol=1e-5
    )
    assert found.image.shape == SHAPE
    assert found.image.dtype == np.float32
    before = resample_cubic(moving, moving_affine, SHAPE, fixed_affine)
    assert np.abs(found.image - head).mean() < 0.5 * np.abs(before - head).mean()


def test_the_same_bytes_again(head):
    affine = volumes.affine("ras", shape=SHAPE)
    moving = resample_cubic(head, affine, SHAPE, affine, rotation(3, (1.0, 0, 0)))
    one, other = (align_images(moving, affine, head, affine, mask=head > 0) for _ in range(2))
    assert one.image.tobytes() == other.image.tobytes()
    assert one.transform.tobytes() == other.transform.tobytes()


def test_the_environment_is_left_alone(monkeypatch, tmp_path):
    head, affine = volumes.brain(), volumes.affine("ras")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("ANTS_RANDOM_SEED", "77")
    align_images(head, affine, head, affine)
    assert os.environ["ANTS_RANDOM_SEED"] == "77"
    monkeypatch.delenv("ANTS_RANDOM_SEED")
    align_images(head, affine, head, affine)
    assert "ANTS_RANDOM_SEED" not in os.environ
    assert list(tmp_path.iterdir()) == []


def test_resampling_between_orientations_only_turns_axes(head):
    ras, pir = volumes.affine("ras", shape=SHAPE), np.eye(4)
    pir[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    pir[:3, 3] = ras[:3, 3] + [0, SHAPE[1] - 1, SHAPE[2] - 1]
    turned = resample_cubic(head, ras, (SHAPE[1], SHAPE[2], SHAPE[0]), pir)
    expected = head.transpose(1, 2, 0)[::-1, ::-1]
    np.testing.assert_allclose(turned, expected, atol=0.01)


def test_resampling_stays_within_the_range(head):
    affine = volumes.affine("ras", shape=SHAPE)
    result = resample_cubic(head, affine, SHAPE, affine, rotation(10, (0.5, 0.5, 0.5)))
    assert result.min() >= 0
    assert result.max() <= head.max()
    # No ripples in the air.
    assert (result == 0).mean() == pytest.approx((head == 0).mean(), abs=0.02)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("bad", [np.zeros(SHAPE, np.float32), np.ones((4, 4, 4, 2), np.float32)])
def test_bad_input(head, which, bad):
    affine = volumes.affine("ras", shape=SHAPE)
    given = [head, head]
    given[which] = bad
    with pytest.raises(ImageError, match=("moving", "fixed")[which]):
        align_images(given[0], affine, given[1], affine)
