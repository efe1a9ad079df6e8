import torch

from clinica_t1nce.models import bfloat16, registry
from clinica_t1nce.synthesis.synthesizer import Synthesizer
from tests.data.caps import head, save_weights


def test_the_blocks_of_a_network_stay_near(monkeypatch, tmp_path):
    weights = save_weights(tmp_path)
    found = []
    for fast in (False, True):
        monkeypatch.setattr(bfloat16, "is_fast", lambda fast=fast: fast)
        synthesizer = Synthesizer.load(weights, "cpu")
        kinds = {type(module) for module in synthesizer._module.modules()}
        assert (bfloat16.Bfloat16Conv3d in kinds) == fast
        volume = head(0, (24, 24, 24)).astype("float32")
        found.append(synthesizer(volume).image)
        assert (synthesizer(volume).image == found[-1]).all()
    exact, near = found
    assert 0 < abs(exact - near).max() < 1e-3 * volume.max()
    assert abs(exact - volume).max() > 0.01 * volume.max()


def test_other_networks_stay_as_they_are():
    network = registry.build("att-unet", widths=[2, 4])
    before = [type(module) for module in network.modules()]
    assert [type(module) for module in bfloat16.convert(network).modules()] == before
    assert torch.nn.Conv3d in before
