import numpy as np
import pytest

from clinica_t1nce.synthesis.vessels import vessel_mask

SHAPE = (60, 60, 60)


@pytest.fixture
def brain():
    """A skull-stripped ball, bright as 100."""
    x, y, z = np.indices(SHAPE) - 29.5
    return np.where(x**2 + y**2 + z**2 < 24**2, 100.0, 0.0).astype(np.float32)


def test_tubes_are_vessels_and_balls_and_specks_are_not(brain):
    change = np.zeros(SHAPE, np.float32)
    change[15:45, 29:32, 40:43] = 60
    change[30:45, 20:35, 20:33] = 60
    change[20, 20, 30] = 60
    mask = vessel_mask(change, brain, np.eye(4))
    assert mask[20:40, 29:32, 40:43].all()
    assert not mask[30:45, 20:35, 20:33].any()
    assert not mask[20, 20, 30]
    assert mask.dtype == bool


def test_a_faint_change_is_none(brain):
    change = np.zeros(SHAPE, np.float32)
    change[15:45, 29:32, 40:43] = 15
    assert not vessel_mask(change, brain, np.eye(4)).any()


def test_voxel_size_counts(brain):
    change = np.zeros(SHAPE, np.float32)
    change[15:45, 29:32, 40:43] = 60
    assert vessel_mask(change, brain, np.diag([1, 1, 1, 1.0])).any()
    # The same tube is 15 mm thick here.
    assert not vessel_mask(change, brain, np.diag([5, 5, 5, 1.0])).any()


def test_the_scalp_of_a_whole_head_is_none():
    x, y, z = np.indices(SHAPE) - 29.5
    radius = np.sqrt(x**2 + y**2 + z**2)
    head = np.where(radius < 28, 100, 1).astype(np.float32)
    change = np.zeros(SHAPE, np.float32)
    change[(radius < 26) & (radius > 23) & (abs(z) < 2)] = 60
    assert not vessel_mask(change, head, np.eye(4)).any()
    change[28:31, 28:31, 20:40] = 60
    assert vessel_mask(change, head, np.eye(4))[29, 29, 30]


def test_no_change_no_vessels(brain):
    assert not vessel_mask(np.zeros(SHAPE), brain, np.eye(4)).any()
