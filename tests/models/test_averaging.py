import pytest
import torch

from clinica_t1nce.errors import WeightsError
from clinica_t1nce.models import cards, registry, storage
from clinica_t1nce.models.averaging import average


def save(path, seed, widths=(2, 4), **changes):
    torch.manual_seed(seed)
    fields = registry.preset("change-unet") | {"hyperparameters": {"widths": list(widths)}}
    card = cards.Card(name=path.stem, **(fields | changes))
    module = registry.build("change-unet", widths=list(widths))
    storage.save_weights(path, module, card)
    return path


@pytest.fixture
def two(tmp_path):
    calibrated = {"metrics": {"share": 1.0}, "licence": "MIT"}
    return save(tmp_path / "a.safetensors", 0, **calibrated), save(tmp_path / "b.safetensors", 1)


def test_each_counts_alike(tmp_path, two):
    out = tmp_path / "mean.safetensors"
    card = average([*two, two[0]], out)
    a, b, mean = (storage.load_weights(path)[0].state_dict() for path in (*two, out))
    for key, found in mean.items():
        torch.testing.assert_close(found, (2 * a[key] + b[key]) / 3)
        assert found.dtype == a[key].dtype
    assert card.name == "mean"
    assert card.training == {"mean_of": ["a", "b", "a"]}
    assert (card.metrics, card.calibration, card.licence) == ({}, {}, "MIT")


def test_others_are_refused(tmp_path, two):
    out = tmp_path / "mean.safetensors"
    wider = save(tmp_path / "wider.safetensors", 2, widths=(2, 6))
    with pytest.raises(WeightsError, match=r"wider.*: differs from .* in hyperparameters"):
        average([two[0], wider], out)
    with pytest.raises(WeightsError, match="give two or more"):
        average(two[:1], out)
    assert not out.exists()
