import re

import pytest
import torch

from clinica_t1nce.errors import OutputError, TrainingError
from clinica_t1nce.training import preflight
from clinica_t1nce.training.settings import card_of, from_preset

CPU = torch.device("cpu")


def check(tmp_path, *, device=CPU, **given):
    settings = from_preset("paper", name="mine", **given)
    preflight.check_settings(card_of(settings), settings, device, tmp_path)


def needed_gb(tmp_path, monkeypatch, **given):
    monkeypatch.setattr(preflight, "available", lambda device: 0.0)
    with pytest.raises(TrainingError, match="lower --batch") as caught:
        check(tmp_path, **given)
    return float(re.search(r"at least ([\d.]+) GB", str(caught.value))[1])


def test_papers_network_needs_many_gigabytes(tmp_path, monkeypatch) -> None:
    single = needed_gb(tmp_path, monkeypatch, batch=2)
    assert 15 < single < 80
    assert needed_gb(tmp_path, monkeypatch, batch=2, precision="bf16-mixed") < 0.7 * single
    averaged = needed_gb(tmp_path, monkeypatch, batch=2, average=0.9)
    # 103,887,981 weights of four bytes.
    assert averaged - single == pytest.approx(0.4, abs=0.11)


def test_eight_times_the_voxels_take_eight_times_what_layers_give(tmp_path, monkeypatch) -> None:
    small, large = (
        needed_gb(tmp_path, monkeypatch, architecture="att-unet-light", batch=64, grid=side)
        for side in (64, 128)
    )
    assert large == pytest.approx(8 * small, rel=0.02)


def test_checkpoints_need_room(tmp_path, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(preflight, "available", lambda device: None)
    monkeypatch.setattr(preflight.atomic, "check_space", lambda *given: asked.append(given))
    check(tmp_path)
    # Two checkpoints of three copies each, two files of weights.
    assert asked == [(tmp_path, 4 * (2 * 3 + 2) * 103_887_981, "checkpoints")]


def test_a_full_disk_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(preflight, "available", lambda device: None)
    monkeypatch.setattr(
        preflight.atomic.shutil, "disk_usage", lambda path: type("", (), {"free": 1})
    )
    with pytest.raises(OutputError, match="needed for checkpoints"):
        check(tmp_path)


def test_free_memory_is_known_on_linux() -> None:
    free = preflight.available(CPU)
    assert free is None or 0 < free < 1e6


def test_res_unet_in_bfloat16_is_refused_on_a_cpu(tmp_path) -> None:
    with pytest.raises(TrainingError, match=r"res-unet with --precision bf16-mixed.*32-true"):
        check(tmp_path, architecture="res-unet", precision="bf16-mixed")


@pytest.mark.parametrize(
    ("architecture", "precision", "device"),
    [
        ("res-unet-light", "32-true", "cpu"),
        ("att-unet-light", "bf16-mixed", "cpu"),
        ("res-unet-light", "bf16-mixed", "cuda"),
    ],
)
def test_other_precisions_are_not_refused(
    tmp_path, monkeypatch, architecture, precision, device
) -> None:
    monkeypatch.setattr(preflight, "available", lambda device: None)
    check(tmp_path, architecture=architecture, precision=precision, device=torch.device(device))
