import importlib.util

import pytest
import torch

from clinica_t1nce.errors import WeightsError


@pytest.fixture
def script(repository):
    path = repository / "benchmarks" / "patches.py"
    spec = importlib.util.spec_from_file_location("patches", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Thirds(torch.nn.Module):
    """Give three quantiles: 0.1, 0.2 and 0.6 of the image."""

    quantiles = (0.25, 0.5, 0.75)

    def forward(self, x):
        return torch.cat([0.1 * x, 0.2 * x, 0.6 * x], dim=1)


def test_quantiles_are_interpolated(script):
    t1ce = torch.rand(1, 4, 4, 4)
    found = script.changes(Thirds(), t1ce, (0.5, 0.55, 0.75))
    expected = torch.cat([0.2 * t1ce, 0.28 * t1ce, 0.6 * t1ce])
    torch.testing.assert_close(found, expected)


def test_models_of_whole_images_are_refused(script):
    assert script.load("default").quantiles
    with pytest.raises(WeightsError, match="att-unet-light-v1: predicts no change on patches"):
        script.load("att-unet-light-v1")
