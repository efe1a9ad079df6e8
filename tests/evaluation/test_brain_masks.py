import os
import stat
import sys
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.errors import ImageError, OutputError
from clinica_t1nce.evaluation.brain_masks import (
    METHODS,
    TEMPLATE,
    brain_mask,
    is_skull_stripped,
    template_mask,
    union_mask,
)
from clinica_t1nce.files.nifti import CROP_SHAPE

AFFINE = np.array([[4.0, 0, 0, -84], [0, 4, 0, -119], [0, 0, 4, -78], [0, 0, 0, 1]])
SHAPE = (43, 52, 45)


@pytest.fixture(scope="module")
def head():
    """A bright brain in a dim head, on a coarse grid of the crop's size."""
    axes = np.ogrid[tuple(slice(-1, 1, side * 1j) for side in SHAPE)]
    radius = np.sqrt(sum(axis**2 for axis in axes))
    rng = np.random.default_rng(0)
    return np.where(radius < 0.6, 800, 200 * (radius < 1.3)) + rng.uniform(1, 50, SHAPE)


def fake_command(folder, monkeypatch, code):
    """Put a script called hd-bet on the path."""
    script = folder / "hd-bet"
    script.write_text(f"#!{sys.executable}\nimport sys\n{code}")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_a_stripped_brain_is_its_own_mask(head):
    brain = np.where(head > 500, head, 0)
    mask, source = brain_mask(brain, AFFINE, "template")
    assert source == "skull-stripped already"
    np.testing.assert_array_equal(mask, brain > 0)


def test_the_template(head):
    mask, source = brain_mask(head, AFFINE, "template")
    assert source == "template"
    assert 1200 < mask.sum() * 0.064 < 2200


def test_hd_bet_is_run_by_its_command(head, tmp_path, monkeypatch):
    fake_command(
        tmp_path,
        monkeypatch,
        "import nibabel as nib, numpy as np\n"
        "a = sys.argv\n"
        "assert {'--save_bet_mask', '-device', 'cpu'} <= set(a)\n"
        "image = nib.load(a[a.index('-i') + 1])\n"
        "mask = (image.get_fdata() > 500).astype(np.uint8)\n"
        "out = a[a.index('-o') + 1].replace('.nii.gz', '_bet.nii.gz')\n"
        "nib.save(nib.Nifti1Image(mask, image.affine), out)\n",
    )
    mask, source = brain_mask(head, AFFINE, "hd-bet")
    assert source == "hd-bet"
    np.testing.assert_array_equal(mask, head > 500)


def test_hd_bet_that_fails_is_told(head, tmp_path, monkeypatch):
    fake_command(tmp_path, monkeypatch, "sys.exit('no weights here')")
    with pytest.raises(OutputError, match="exit code 1: no weights here"):
        brain_mask(head, AFFINE, "hd-bet")


def test_hd_bet_that_is_missing_is_told(head, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OutputError, match="no such command; install it"):
        brain_mask(head, AFFINE, "hd-bet")


def test_no_brain_is_told(head, monkeypatch):
    monkeypatch.setitem(METHODS, "template", lambda volume, affine: np.zeros(volume.shape, bool))
    with pytest.raises(ImageError, match="template found 0 cm3 of brain"):
        brain_mask(head, AFFINE, "template")


@pytest.mark.slow
@pytest.mark.real
def test_deepbet_on_a_real_head(shared_data):
    from clinica_t1nce.files import nifti

    (path,) = shared_data.glob("caps/subjects/sub-fg6692/ses-M000/t1_linear/*Crop*.nii.gz")
    image = nifti.load(path)
    mask, source = brain_mask(image.data, image.affine, "deepbet")
    assert source == "deepbet"
    # A whole brain, in MNI space.
    assert 1.5e6 < mask.sum() < 2.1e6
    template, _ = brain_mask(image.data, image.affine, "template")
    assert 2 * (mask & template).sum() / (mask.sum() + template.sum()) > 0.9


def test_deepbet_that_fails_without_a_word_is_told(head, monkeypatch):
    class Silent:
        def __init__(self, no_gpu):
            assert no_gpu

        def run(self, image):
            raise AssertionError

    monkeypatch.setitem(sys.modules, "deepbet", SimpleNamespace(BrainExtraction=Silent))
    with pytest.raises(ImageError, match=r"deepbet found no brain \(AssertionError\)"):
        brain_mask(head, AFFINE, "deepbet")


CROP_AFFINE = np.array([[1.0, 0, 0, -84], [0, 1, 0, -119], [0, 0, 1, -78], [0, 0, 0, 1]])


@pytest.mark.parametrize(("zeros", "stripped"), [(0.67, True), (0.42, False), (0.2, False)])
def test_share_of_zeros_tells_a_brain_from_a_head(zeros, stripped):
    volume = np.ones(1000, np.float32).reshape(10, 10, 10)
    volume.ravel()[: int(1000 * zeros)] = 0
    assert is_skull_stripped(volume) is stripped


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


def test_the_templates_brain_is_nilearns():
    from nilearn.datasets import load_mni152_brain_mask

    ours, theirs = nib.load(TEMPLATE), load_mni152_brain_mask(resolution=1)
    np.testing.assert_array_equal(ours.affine, theirs.affine)
    np.testing.assert_array_equal(np.asarray(ours.dataobj), np.asarray(theirs.dataobj))


def test_template_follows_the_orientation_of_the_grid():
    flipped = CROP_AFFINE.copy()
    flipped[0] = [-1, 0, 0, 84]
    straight = template_mask(CROP_SHAPE, CROP_AFFINE)
    assert (template_mask(CROP_SHAPE, flipped)[::-1] == straight).mean() > 0.999
