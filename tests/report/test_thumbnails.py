import numpy as np
import pytest
from PIL import Image

from clinica_t1nce.report import write_participant_page
from clinica_t1nce.report.thumbnails import TILE, path_of
from tests.data import volumes

WIDTH, HEIGHT = TILE


def picture(folder, affine=None, **arguments):
    t1nce = volumes.brain((40, 48, 44))
    t1ce = volumes.enhance(t1nce)
    # Signal removed on the right, in front, and added on the left, behind.
    t1ce[28:34, 32:38, 20:26] += 400
    t1ce[6:12, 10:16, 20:26] -= 150
    page = write_participant_page(
        folder / "sub-01.html",
        {"T1ce": t1ce, "mine": t1nce},
        np.eye(4) if affine is None else affine,
        mask=t1nce > 0,
        **arguments,
    )
    return path_of(page)


def test_three_parts_in_radiological_convention(tmp_path):
    path = picture(tmp_path, thumbnail=True)
    with Image.open(path) as image:
        pixels = np.asarray(image).astype(int)
    assert pixels.shape == (HEIGHT, 3 * WIDTH, 3)
    t1ce, t1nce, change = np.split(pixels, 3, axis=1)
    for gray in (t1ce, t1nce):
        assert np.ptp(gray, axis=2).max() < 12
    warmth = change[..., 0] - change[..., 2]
    brighter = warmth > 60
    removed, added = (np.argwhere(part).mean(axis=0) for part in (brighter, warmth < -60))
    middle = (HEIGHT / 2, WIDTH / 2)
    # Right and front are on the left and on top.
    assert (removed < middle).all()
    assert (added > middle).all()
    assert t1ce[brighter].mean() > t1nce[brighter].mean() + 30


def test_same_bytes_and_only_where_asked_for(tmp_path):
    content = picture(tmp_path / "a", thumbnail=True).read_bytes()
    assert content == picture(tmp_path / "b", thumbnail=True).read_bytes()
    assert len(content) < 10_000
    assert not picture(tmp_path / "c").exists()


@pytest.mark.parametrize(("axis", "zoom"), [(0, 4.0), (1, 4.0)])
def test_voxels_keep_their_proportions(tmp_path, axis, zoom):
    affine = np.diag([1.0, 1, 1, 1])
    affine[axis, axis] = zoom
    with Image.open(picture(tmp_path, affine, thumbnail=True)) as image:
        t1ce = np.asarray(image)[:, :WIDTH].max(axis=2) > 20
    height, width = (np.ptp(np.flatnonzero(t1ce.any(axis=1 - side))) + 1 for side in (0, 1))
    assert (height > 2 * width) == (axis == 1)
    assert (width > 2 * height) == (axis == 0)
