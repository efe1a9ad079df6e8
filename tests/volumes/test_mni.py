import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.volumes import grids, mni
from tests.data import volumes


@pytest.fixture(scope="module")
def brain():
    """The template's own brain, of 2 mm."""
    return mni.load_template()


def moved(brain, shape, affine, pose):
    template, template_affine = brain
    return grids.sample(template, template_affine, shape, affine, np.linalg.inv(pose))


@pytest.mark.parametrize("kind", ["pir", "sheared"])
def test_a_known_pose_is_found(brain, kind):
    """Points of MNI space go to the image that shows the template, smaller, turned and shifted."""
    shape = (100, 110, 100)
    affine = volumes.affine(kind, zooms=(2, 2, 2), shape=shape)
    truth = np.eye(4)
    truth[:3, :3] = 0.93 * np.array([[1, 0, 0], [0, 0.98, -0.2], [0, 0.2, 0.98]])
    truth[:3, 3] = 12, -30, 25
    found = mni.find_pose(moved(brain, shape, affine, truth), affine)
    corners = np.array([[x, y, z, 1] for x in (-50, 50) for y in (-80, 50) for z in (-30, 60)])
    assert np.linalg.norm(((found - truth) @ corners.T)[:3], axis=0).max() < 2


def test_what_is_no_brain_is_refused(brain):
    template, affine = brain
    with pytest.raises(ImageError, match="ml of brain were found"):
        mni.find_pose(template[::5], affine)


def test_what_does_not_come_to_lie_on_the_template_is_refused(brain, monkeypatch):
    pose = np.eye(4)
    pose[2, 3] = 25
    monkeypatch.setattr(mni, "register_volumes", lambda *args, **kwargs: pose)
    with pytest.raises(ImageError, match=r"overlap by 0\.[67]"):
        mni.find_pose(*brain)


def test_heads_are_told_from_brains(brain):
    template, affine = brain
    assert mni.is_stripped(template, affine)
    assert not mni.is_stripped(template + 0.01, affine)
