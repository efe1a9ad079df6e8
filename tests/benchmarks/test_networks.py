import argparse
import importlib.util

import pytest

from clinica_t1nce.models import registry

TINY = {
    "att": ("att-unet", {"widths": [2, 4]}),
    "res": ("res-unet", {"widths": [4, 4], "convolutions": [1]}),
    "trans": (
        "trans-unet",
        {
            "widths": [8, 8],
            "blocks": [1, 1],
            "embedding": 8,
            "heads": 2,
            "layers": 1,
            "hidden": 8,
            "grid": [16, 16, 16],
            **dict.fromkeys(("dropout", "attention_dropout", "first_dropout"), 0.0),
        },
    ),
}


@pytest.fixture
def script(repository, monkeypatch):
    path = repository / "benchmarks" / "networks.py"
    spec = importlib.util.spec_from_file_location("networks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, (architecture, hyperparameters) in TINY.items():
        settings = {"architecture": architecture, "hyperparameters": hyperparameters}
        monkeypatch.setitem(registry.PRESETS, name, settings)
    return module


@pytest.mark.parametrize("preset", TINY)
def test_both_ways_train_alike_and_are_not_the_same(script, preset):
    ours, plain = (
        script.measure(preset, 2, 8, way, steps=2, device="cpu", bf16=False) for way in script.WAYS
    )
    assert ours["loss"] == pytest.approx(plain["loss"], rel=1e-3)
    assert min(ours.values()) > 0
    kinds = [{type(m) for m in script.build(preset, 8, way).modules()} for way in script.WAYS]
    assert kinds[0] != kinds[1]


def test_a_failure_is_a_row(script):
    settings = argparse.Namespace(side=16, steps=1, device="cpu", bf16=False)
    row = script.row("res-unet-light", 1, "ours", settings)
    assert row.startswith("| res-unet-light | 1 | ours | failed: ")
    assert "grid 16 x 16 x 16" in row


def test_a_row(script):
    settings = argparse.Namespace(side=32, steps=1, device="cpu", bf16=False)
    cells = script.row("att-unet-light", 1, "plain", settings).split(" | ")
    assert len(cells) == 7
    assert all(float(cell.strip(" |")) > 0 for cell in cells[3:])
