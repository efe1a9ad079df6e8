import numpy as np
import pytest

from clinica_t1nce.synthesis.enhancement_prior import LIKELY, PATH, locate, sample_prior

SHAPE = (84, 104, 90)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
AFFINE[:3, 3] = -84, -120, -80


def voxel(*mm):
    found = np.linalg.inv(AFFINE) @ [*mm, 1]
    return tuple(np.round(found[:3]).astype(int))


@pytest.fixture(scope="module")
def prior():
    return sample_prior(SHAPE, AFFINE)


@pytest.mark.parametrize(
    ("place", "likely"),
    [
        ((0, -94, 20), True),  # superior sagittal sinus
        ((0, -60, 66), True),  # the same, and falx
        ((20, -30, 16), True),  # choroid plexus
        ((26, -36, 20), False),  # white matter
        ((12, -18, 8), False),  # thalamus
        ((26, 2, 0), False),  # putamen
    ],
)
def test_places_that_are_known(prior, place, likely):
    assert (prior[voxel(*place)] >= LIKELY) == likely


def test_nothing_outside_the_skull_and_little_in_the_package(prior):
    assert np.isnan(prior[voxel(0, 80, -60)])
    assert np.isnan(prior[0]).all()
    inside = np.count_nonzero(np.isfinite(prior)) * 8 / 1000
    assert 1500 < inside < 2500
    assert 0.03 < np.mean(prior[np.isfinite(prior)] >= LIKELY) < 0.5
    assert PATH.stat().st_size < 200_000


def test_share_of_a_change(prior):
    likely = prior >= LIKELY
    even = np.ones(SHAPE, np.float32)
    found = locate(even, AFFINE)
    assert found.share == pytest.approx(found.expected)
    # Outside the skull, and where signal was added, nothing counts.
    change = np.where(np.isfinite(prior), np.where(likely, 2.0, 0.0), 100.0)
    change[np.isfinite(prior) & ~likely] = -5
    assert locate(change, AFFINE).share == 1
    assert locate(np.where(likely, 0, even), AFFINE).share == 0
    assert locate(-even, AFFINE) is None


def test_another_space_is_brought_to_mni():
    change = np.zeros(SHAPE, np.float32)
    change[voxel(0, -94, 20)] = 1
    away = AFFINE.copy()
    away[0, 3] += 1000
    back = np.eye(4)
    back[0, 3] = -1000
    assert locate(change, away) is None
    assert locate(change, away, back).share == 1
