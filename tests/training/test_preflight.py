import pytest
import torch

from clinica_t1nce.errors import TrainingError
from clinica_t1nce.models import registry
from clinica_t1nce.training.preflight import (
    Size,
    available,
    check_precision,
    checkpoint_bytes,
    memory_gb,
    size_of,
)

CPU = torch.device("cpu")


def test_size_of_a_network() -> None:
    hyperparameters = {"widths": [2, 4]}
    size = size_of("att-unet", hyperparameters, (8, 8, 8))
    network = registry.build("att-unet", **hyperparameters)
    assert size.weights == sum(parameter.numel() for parameter in network.parameters())
    # Eight times the voxels: eight times what layers give, and the same weights.
    assert size_of("att-unet", hyperparameters, (16, 16, 16)) == Size(
        size.weights, 8 * size.activations
    )


def test_papers_network_needs_many_gigabytes() -> None:
    preset = registry.preset("att-unet")
    size = size_of(preset["architecture"], preset["hyperparameters"], preset["input"]["grid"])
    assert size.weights == 103_887_981
    single = memory_gb(size, 2)
    assert 15 < single < 80
    assert memory_gb(size, 2, half=True) < 0.7 * single
    assert memory_gb(size, 2, averaged=True) - single == pytest.approx(4 * size.weights / 1e9)


def test_checkpoint_holds_what_adam_knows() -> None:
    # Two checkpoints of three copies each, two files of weights.
    assert checkpoint_bytes(Size(weights=10, activations=99)) == 4 * (2 * 30 + 2 * 10)


def test_free_memory_is_known_on_linux() -> None:
    free = available(CPU)
    assert free is None or 0 < free < 1e6


def test_res_unet_in_bfloat16_is_refused_on_a_cpu() -> None:
    with pytest.raises(TrainingError, match=r"res-unet with --precision bf16-mixed.*32-true"):
        check_precision("res-unet", "bf16-mixed", CPU)


@pytest.mark.parametrize(
    ("architecture", "precision", "device"),
    [
        ("res-unet", "32-true", "cpu"),
        ("att-unet", "bf16-mixed", "cpu"),
        ("res-unet", "bf16-mixed", "cuda"),
    ],
)
def test_other_precisions_are_not_refused(architecture: str, precision: str, device: str) -> None:
    check_precision(architecture, precision, torch.device(device))
