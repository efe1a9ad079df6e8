import numpy as np
import pytest
import torch

from clinica_t1nce.errors import ImageError
from clinica_t1nce.volumes import intensity
from tests.data import volumes


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("method", sorted(intensity.METHODS))
def test_scaling_is_inverted_to_the_input(method, convert):
    volume = volumes.brain() + 50
    scaling = intensity.measure(volume, method)
    scaled = scaling.apply(convert(volume))
    assert type(scaled) is type(convert(volume))
    assert np.abs(np.asarray(scaled) - volume).max() > 1
    np.testing.assert_allclose(np.asarray(scaling.invert(scaled)), volume, rtol=1e-5)


def test_min_max_reaches_zero_and_one():
    volume = np.array([[-20.0, 0.0], [30.0, 80.0]])
    scaled = intensity.measure(volume, "min-max").apply(volume)
    np.testing.assert_allclose(scaled, [[0, 0.2], [0.5, 1]])


def test_percentile_is_that_of_the_foreground():
    # 100 dark voxels of air, then 1..100: the 99th percentile of all is 98.01, 2 % of it 1.96.
    volume = np.concatenate([np.full(100, 0.5), np.arange(1.0, 101.0)])
    scaling = intensity.measure(volume, "percentile", percentile=50)
    assert scaling == intensity.Scaling(0.0, 51.0)


def test_percentile_without_floor_takes_the_air_in():
    volume = np.concatenate([np.full(100, 0.5), np.arange(1.0, 101.0)])
    scaling = intensity.measure(volume, "percentile", percentile=50, floor=0.0)
    assert scaling.factor == 0.75


def test_percentile_of_an_image_nearly_all_air():
    volume = np.zeros(1000)
    volume[:5] = [10, 20, 30, 40, 50]
    assert intensity.measure(volume, "percentile", percentile=100).factor == 50


@pytest.mark.parametrize("method", sorted(intensity.METHODS))
@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_a_constant_volume_is_refused(method, value):
    with pytest.raises(ImageError, match="same value"):
        intensity.measure(np.full((2, 2, 2), value), method)


def test_a_volume_without_foreground_is_refused():
    with pytest.raises(ImageError, match="above 0"):
        intensity.measure(np.array([-2.0, -1.0, 0.0]), "percentile")


@pytest.mark.parametrize(
    ("scaling", "message"),
    [
        ({"method": "z-score"}, "unknown scaling 'z-score'; known: min-max, percentile"),
        ({"method": "min-max", "percentile": 3}, "does not take"),
        ({"method": "percentile", "percentile": 150}, "ercentile"),
        ({"method": "percentile", "percentile": "70"}, "does not take"),
    ],
)
def test_an_unusable_scaling_is_found_without_a_volume(scaling, message):
    with pytest.raises(ValueError, match=message):
        intensity.check_method(scaling)


def test_a_usable_scaling_passes():
    intensity.check_method({"method": "percentile", "percentile": 60, "floor": 0.1})


def test_the_head_is_what_is_bright():
    assert intensity.foreground(np.array([-5, 0, 1, 60, 100])).tolist() == [0, 0, 0, 1, 1]
    assert not intensity.foreground(np.zeros(4)).any()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("percentile", [0, 1.0, 50, 70.0, 99, 99.5, 100])
def test_percentiles_are_those_of_numpy(kind, percentile):
    values = np.random.default_rng(3).gamma(2, 100, 300_000).astype(kind)
    # As around a brain.
    values[::3] = 0
    assert intensity.find_percentile(values, percentile) == np.percentile(values, percentile)


def test_a_percentile_of_values_that_a_sample_misses():
    values = np.arange(400_000, dtype=np.float32)
    values[::20] = -1
    assert intensity.find_percentile(values, 99) == np.percentile(values, 99)
