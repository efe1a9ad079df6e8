"""Images as hospitals have them: constants added, padding, outliers."""

import numpy as np
import pytest
from scipy import ndimage

from clinica_t1nce.synthesis.conditioning import condition
from clinica_t1nce.volumes import intensity
from tests.data import volumes

SHAPE = (40, 44, 36)


def stripped():
    """A brain cut out along a mask."""
    return volumes.enhance(volumes.brain(SHAPE))


def faded():
    """The same, interpolated, as registration leaves it."""
    image = ndimage.gaussian_filter(stripped(), 1.0)
    return np.where(image > 1e-3 * image.max(), image, 0).astype(np.float32)


def head():
    """A brain amid the noise of air, as magnitude images have it."""
    noise = np.abs(np.random.default_rng(1).normal(scale=4, size=SHAPE))
    return np.maximum(stripped(), noise).astype(np.float32)


def padded():
    """A head whose field of view ends within the volume: zeros beyond."""
    image = head()
    image[:, :6] = image[:, -5:] = 0
    return image


IMAGES = (stripped, faded, head, padded)


def bright(image):
    return intensity.measure_percentile(image).factor


def codes(found):
    return [flag.code for flag in found.flags]


@pytest.mark.parametrize("make", IMAGES)
def test_an_image_without_faults_is_shown_as_it_is(make):
    image = make()
    found = condition(image)
    assert found.shown is image
    assert (found.background, found.outliers.size, found.flags) == (0, 0, ())


class TestBackground:
    @pytest.mark.parametrize("make", IMAGES)
    @pytest.mark.parametrize("share", [-1.0, -0.3, 0.1, 1.0, 20.0])
    def test_a_constant_is_taken_away(self, make, share):
        image = make()
        constant = np.float32(share * bright(image))
        found = condition(image + constant)
        assert codes(found) == ["background"]
        assert found.background == pytest.approx(constant, abs=0.01 * bright(image))
        np.testing.assert_allclose(found.shown, image, atol=0.01 * bright(image))

    def test_a_scale_like_that_of_ct(self):
        found = condition(head() - 1024)
        assert found.background == pytest.approx(-1024, abs=0.01 * bright(head()))
        np.testing.assert_allclose(found.shown, head(), atol=0.01 * bright(head()))

    @pytest.mark.parametrize("make", [faded, padded])
    @pytest.mark.parametrize("share", [-3.0, 0.3, 1.0])
    def test_padding_without_the_constant_is_told_apart(self, make, share):
        image = make()
        constant = np.float32(share * bright(image))
        raised = np.where(image == 0, 0, image + constant)
        found = condition(raised)
        assert found.background == pytest.approx(constant, abs=0.01 * bright(image))
        np.testing.assert_allclose(found.shown, image, atol=0.02 * bright(image))
        assert not found.subtract(np.ones(SHAPE, np.float32))[image == 0].any()

    def test_a_background_of_zero_stays_zero_to_the_bit(self):
        found = condition(stripped() + np.float32(0.1 + 0.2))
        assert np.array_equal(found.shown == 0, stripped() == 0)

    def test_where_tissue_fills_the_volume_none_can_be_told(self):
        image = stripped()[14:26, 14:30, 12:24]
        found = condition(image)
        assert found.shown is image
        assert codes(found) == ["background-unknown"]

    def test_a_brain_too_gray_for_a_brain_is_flagged(self):
        image = np.where(stripped() > 0, stripped() + 2 * bright(stripped()), 0)
        assert codes(condition(image)) == ["background-unknown"]

    def test_zeros_amid_standardised_tissue(self):
        image = stripped()
        inside = image > 0
        scores = np.where(inside, (image - image[inside].mean()) / image[inside].std(), 0)
        found = condition(scores)
        assert codes(found) == ["background-unknown"]
        assert found.shown[inside].mean() > 1
        assert not found.shown[~inside].any()

    @pytest.mark.parametrize("darkest", [0.2, 0.3, 0.4])
    def test_the_darkest_tissue_of_a_brain_without_fluid_is_none(self, darkest):
        # Interpolated, then cut out along what is dark.
        image = ndimage.gaussian_filter(volumes.enhance(volumes.brain((64, 72, 60))), 1.0)
        image[image < darkest * bright(image)] = 0
        found = condition(image)
        assert (found.background, codes(found)) == (0, [])
        assert found.shown is image

    def test_flat_tissue_is_no_background(self):
        image = np.zeros(SHAPE, np.float32)
        image[10:30, 10:30, 10:30] = 600
        image[15:25, 15:25, 15:25] = 1000
        assert condition(image).shown is image


class TestOutliers:
    @pytest.mark.parametrize("value", [20.0, 1e4, 1e30, -1.0, -32767.0, -1e30])
    @pytest.mark.parametrize("place", [(20, 22, 18), (1, 1, 1), (0, 0, 0), (20, 22, 35)])
    def test_get_the_median_of_their_neighbours(self, value, place):
        image = head()
        image[place] = value * bright(head())
        found = condition(image)
        box = tuple(slice(max(i - 1, 0), i + 2) for i in place)
        around = np.delete(head()[box].ravel(), np.argmax(np.abs(image[box].ravel())))
        assert found.shown[place] == np.median(around)
        assert np.argwhere(found.shown != image).tolist() == [list(place)]
        assert found.outliers.tolist() == [np.ravel_multi_index(place, SHAPE)]
        assert codes(found) == ["outliers"]
        assert found.flags[0].text.startswith("1 voxels ")

    def test_a_block_of_them_is_cut_to_the_limit(self):
        image = head()
        image[15:22, 15:22, 15:22] = 1e6
        shown = condition(image).shown
        np.testing.assert_allclose(shown[16:21, 16:21, 16:21], 10 * bright(image))
        assert shown.max() <= 10 * bright(image) * (1 + 1e-6)

    def test_specks_do_not_hide_a_constant(self):
        image = head() + 500
        image[np.random.default_rng(0).random(SHAPE) < 1e-3] = -32767
        found = condition(image)
        assert found.background == pytest.approx(500, abs=0.01 * bright(head()))
        assert codes(found) == ["background", "outliers"]


class TestSubtract:
    def test_stays_above_the_background_and_within_the_image(self):
        image = stripped() + np.float32(100)
        out = condition(image).subtract(np.full(SHAPE, 1e6, np.float32))
        np.testing.assert_array_equal(out, np.full(SHAPE, 100, np.float32))
        out = condition(image).subtract(np.full(SHAPE, -1e6, np.float32))
        tissue = stripped() > 0
        np.testing.assert_array_equal(out, np.where(tissue, image.max(), 100))

    def test_what_is_below_the_background_stays(self):
        image = faded()
        image[0, 0, :9] = -0.1 * bright(image)
        out = condition(image).subtract(0.3 * np.abs(image) + 5)
        np.testing.assert_array_equal(out[0, 0], image[0, 0])
        assert (out >= np.minimum(image, 0)).all()
        assert (out < image)[image > 0].all()

    def test_no_change_is_no_change_at_all(self):
        image = np.round(head() * 7)
        assert condition(image).subtract(0 * image).tobytes() == image.tobytes()
