import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.volumes.fitting import anchor, smooth_fit


def scans(noise: float = 0.01) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A T1ce, its T1nce from another scanner, what enhances, and the tissue's true intensities."""
    rng = np.random.default_rng(0)
    shape = (24, 28, 20)
    truth = rng.choice([0.3, 0.7, 1.0], shape).astype(np.float32)
    place = np.stack(np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij"))
    enhancing = np.zeros(shape, bool)
    enhancing[10:14, :, 8:12] = True
    t1ce = truth * (1 + 0.2 * place[0]) + noise * rng.normal(size=shape) + 0.8 * enhancing
    t1nce = 0.1 + 0.8 * truth * (1 - 0.1 * place[1]) + noise * rng.normal(size=shape)
    return t1ce, t1nce, enhancing, truth * (1 + 0.2 * place[0])


def test_contrast_and_receive_field_are_fitted_and_enhancement_is_left_out() -> None:
    t1ce, t1nce, enhancing, expected = scans()
    fit = smooth_fit(t1ce, t1nce, np.ones(t1ce.shape, bool))
    assert np.abs(fit.fitted - expected)[enhancing].mean() < 0.02
    assert np.abs(fit.fitted - expected)[~enhancing].mean() < 0.02
    # Noise of both scans, sqrt(1 + 0.8**-2) times 0.01.
    assert fit.deviation == pytest.approx(0.016, abs=0.004)


def test_outside_the_mask_is_0_and_the_same_pair_gives_the_same_fit() -> None:
    t1ce, t1nce, _, _ = scans()
    mask = np.zeros(t1ce.shape, bool)
    mask[2:-2, 2:-2, 2:-2] = True
    first, second = (smooth_fit(t1ce, t1nce, mask) for _ in range(2))
    assert not first.fitted[~mask].any()
    assert first.fitted[mask].all()
    np.testing.assert_array_equal(first.fitted, second.fitted)


def test_too_little_tissue_is_refused() -> None:
    t1ce, t1nce, _, _ = scans()
    mask = np.zeros(t1ce.shape, bool)
    mask[:5, :5, :5] = True
    with pytest.raises(ImageError, match="125 voxels are tissue in both images"):
        smooth_fit(t1ce, t1nce, mask)


def test_shrunken_contrast_is_mended_where_nothing_enhances() -> None:
    t1ce, _, enhancing, truth = scans()
    # As a regression on a noisy image gives it: fluid 0.08 too bright.
    shrunken = truth + np.interp(truth, [0.3, 0.7, 1.0], [0.08, 0.01, 0.0]).astype(np.float32)
    mended = anchor(t1ce, shrunken, ~enhancing)
    assert np.abs(shrunken - truth).mean() > 0.025
    # What enhances is corrected alike, though it was not looked at.
    assert np.abs(mended - truth)[enhancing].mean() < 0.015
    assert np.abs(mended - truth)[~enhancing].mean() < 0.015
    shrunken[0] = 0
    assert not anchor(t1ce, shrunken, ~enhancing)[0].any()


def test_an_image_that_enhances_everywhere_is_refused() -> None:
    t1ce, t1nce, enhancing, _ = scans()
    few = enhancing & (np.indices(t1ce.shape)[1] < 3)
    with pytest.raises(ImageError, match="48 voxels of tissue do not enhance"):
        anchor(t1ce, t1nce, few)
