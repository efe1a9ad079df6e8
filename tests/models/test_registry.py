import subprocess
import sys

import pytest
import torch

from clinica_t1nce.errors import WeightsError
from clinica_t1nce.models import cards, registry
from clinica_t1nce.models.att_unet import AttUNet
from clinica_t1nce.models.change_unet import ChangeUNet


@pytest.mark.parametrize(("name", "kind"), [("att-unet", AttUNet), ("change-unet", ChangeUNet)])
def test_names_build_their_network(name, kind):
    network = registry.build(name, widths=[2, 4])
    assert type(network) is kind
    x = torch.rand(1, 1, 8, 8, 8)
    assert network(x).shape == x.shape


def test_an_unknown_architecture_names_the_known():
    with pytest.raises(WeightsError, match=r"'resnet'; known: att-unet, change-unet, patch"):
        registry.build("resnet")


@pytest.mark.parametrize("wrong", [{"width": 3}, {"widths": [2, "x"]}, {"widths": [-2, 4]}])
def test_wrong_hyperparameters_are_one_line(wrong):
    with pytest.raises(WeightsError, match="cannot be built with") as caught:
        registry.build("att-unet", **wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(registry.PRESETS))
def test_presets_make_valid_cards_of_networks_that_can_be_built(name):
    card = cards.Card(name=name, **registry.preset(name))
    card.check()
    with torch.device("meta"):
        network = registry.build(card.architecture, **card.hyperparameters)
        x = torch.rand(1, 1, *(card.grid or [2 * card.input.multiple] * 3))
        channels = len(getattr(network, "quantiles", (0.5,)))
        assert network(x).shape == (1, channels, *x.shape[2:])


@pytest.mark.parametrize(
    ("name", "n_parameters"),
    [("att-unet", 103_887_981), ("res-unet", 312_250_369), ("trans-unet", 32_722_561)],
)
def test_the_papers_presets(name, n_parameters):
    card = cards.Card(name="paper", **registry.preset(name))
    with torch.device("meta"):
        network = registry.build(card.architecture, **card.hyperparameters)
        light = registry.preset(f"{name}-light")
        lighter = registry.build(light["architecture"], **light["hyperparameters"])
    assert sum(parameter.numel() for parameter in network.parameters()) == n_parameters
    assert sum(parameter.numel() for parameter in lighter.parameters()) < n_parameters / 10
    assert (card.grid, card.scaling, card.output) == ((128,) * 3, {"method": "min-max"}, "image")


def test_the_papers_discriminator():
    card = cards.Card(name="paper", **registry.preset("patch-discriminator"))
    card.check()
    with torch.device("meta"):
        network = registry.build(card.architecture, **card.hyperparameters)
        pair = torch.rand(2, 1, *card.grid), torch.rand(2, 1, *card.grid)
        assert network.scores(*pair).shape == (2, 8)
    assert card.output == "score"


def test_a_preset_can_be_changed_without_changing_the_next():
    registry.preset("change-unet")["hyperparameters"]["widths"].append(1)
    assert registry.preset("change-unet")["hyperparameters"]["widths"] == [16, 32, 64]


def test_an_unknown_preset_names_the_known():
    with pytest.raises(WeightsError, match="att-unet, att-unet-light, change-unet"):
        registry.preset("heavy")


def test_torch_is_imported_only_when_a_network_is_built():
    code = (
        "import sys, clinica_t1nce.models.registry as r; assert 'torch' not in sys.modules;"
        "r.build('change-unet', widths=[2]); assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
