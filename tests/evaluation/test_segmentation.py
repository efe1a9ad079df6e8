import tempfile

import numpy as np
import pytest
from scipy import ndimage

from clinica_t1nce.errors import ImageError
from clinica_t1nce.evaluation.segmentation import segment, template_priors
from clinica_t1nce.evaluation.volumes import dice
from tests.data import volumes

SHAPE = (30, 32, 28)
CROP_AFFINE = np.array([[2.0, 0, 0, -84], [0, 2, 0, -119], [0, 0, 2, -78], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def brain():
    """Shells of CSF, gray and white matter with noise, and priors that are off by one voxel."""
    axes = np.ogrid[tuple(slice(-1, 1, side * 1j) for side in SHAPE)]
    radius = np.sqrt(sum(axis**2 for axis in axes))
    truth = np.select([radius < 0.5, radius < 0.75, radius < 0.95], [2, 1, 3], 0)
    means = np.array([0, 600, 900, 250])
    noise = np.random.default_rng(0).normal(scale=40, size=SHAPE)
    image = np.where(truth > 0, means[truth] + noise, 0).astype(np.float32)
    shifted = np.roll(truth, 1, axis=0)
    priors = np.stack([ndimage.gaussian_filter((shifted == k).astype(float), 1) for k in (1, 2, 3)])
    priors[2] += 1 - priors.sum(axis=0)
    return image, truth, priors.astype(np.float32)


@pytest.mark.parametrize("kind", ["ras", "pir"])
def test_tissues_are_found(brain, kind):
    image, truth, priors = brain
    found = segment(image, volumes.affine(kind, shape=SHAPE), truth > 0, priors)
    assert found.labels.dtype == np.uint8
    assert min(dice(truth, found.labels).values()) > 0.9
    assert ((found.labels > 0) == (truth > 0)).all()
    np.testing.assert_allclose(found.probabilities.sum(axis=0)[truth > 0], 1, atol=1e-5)
    assert not found.probabilities[:, truth == 0].any()


def test_the_same_input_gives_the_same_result_and_no_file_is_left(brain, tmp_path, monkeypatch):
    image, truth, priors = brain
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    one, other = (segment(image, np.eye(4), truth > 0, priors) for _ in range(2))
    assert one.probabilities.tobytes() == other.probabilities.tobytes()
    assert list(tmp_path.iterdir()) == []
    assert tempfile.tempdir == str(tmp_path)


def test_template_priors_add_up_and_lie_where_mni_says():
    priors = template_priors((85, 104, 90), CROP_AFFINE)
    assert priors.shape == (3, 85, 104, 90)
    np.testing.assert_allclose(priors.sum(axis=0), 1, atol=1e-5)

    def at(*point):
        voxel = np.linalg.inv(CROP_AFFINE) @ [*point, 1]
        return priors[(slice(None), *np.rint(voxel[:3]).astype(int))].argmax()

    # Caudate nucleus, centrum semiovale, lateral ventricle.
    assert [at(13, 14, 10), at(26, -20, 32), at(4, 5, 12)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image, mask, priors: (image, np.zeros_like(mask), priors), "mask is empty"),
        (lambda image, mask, priors: (np.ones_like(image), mask, priors), "constant"),
        (lambda image, mask, priors: (image[1:], mask, priors), "one grid"),
        (lambda image, mask, priors: (image, mask, priors[:, 1:]), "one grid"),
    ],
)
def test_bad_input(brain, change, message):
    image, truth, priors = brain
    image, mask, priors = change(image, truth > 0, priors)
    with pytest.raises(ImageError, match=message):
        segment(image, np.eye(4), mask, priors)
