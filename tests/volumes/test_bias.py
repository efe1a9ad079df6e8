import numpy as np
import pytest

from clinica_t1nce.errors import ImageError
from clinica_t1nce.volumes import bias
from tests.data import volumes


@pytest.mark.parametrize("kind", ["ras", "pir", "oblique"])
def test_finds_a_smooth_field_on_thick_slices(kind):
    shape, zooms = (72, 80, 30), (2, 2, 5)
    ramp = np.linspace(0.7, 1.3, shape[0], dtype=np.float32)[:, None, None]
    clean = np.where(volumes.brain(shape) > 0, np.float32(300), np.float32(0))
    field = bias.measure_bias(clean * ramp, volumes.affine(kind, zooms=zooms, shape=shape))
    assert field.shape == shape
    assert field.min() > 0
    found = (field / ramp)[clean > 0]
    assert found.std() / found.mean() < 0.03


@pytest.mark.parametrize("data", [volumes.brain(), np.zeros((8, 8, 8), np.float32)])
def test_what_is_too_small_has_none(data):
    np.testing.assert_array_equal(bias.measure_bias(data, np.eye(4)), 1)


def test_a_failure_of_ants_is_one_line(monkeypatch):
    import ants

    def fail(*arguments, **options):
        raise RuntimeError("no\nluck")

    monkeypatch.setattr(ants, "n4_bias_field_correction", fail)
    with pytest.raises(ImageError, match="no luck"):
        bias.measure_bias(volumes.brain((60, 70, 50)), volumes.affine(zooms=(3, 3, 3)))
