import json
import logging
import pickle

import numpy as np
import pytest
import torch

from clinica_t1nce.errors import WeightsError
from clinica_t1nce.models import conversion, storage
from tests.data import checkpoints, recipe, reference

CLASSES = {
    "att-unet": "AttU_Net",
    "res-unet": "GeneratorUNetResMod",
    "trans-unet": "BTS",
    "patch-discriminator": "Discriminator64",
}

TABLE = "position_encoding.position_embeddings"


def inputs(architecture):
    n = 2 if architecture == "patch-discriminator" else 1
    side = 32 if architecture == "trans-unet" else 64
    return [reference.volumes(side, number) for number in range(n)]


def refused(checkpoint, folder):
    with pytest.raises(WeightsError) as caught:
        conversion.convert(checkpoint, folder / "out.safetensors")
    message = str(caught.value)
    assert message.startswith(f"{checkpoint}: ")
    assert "\n" not in message
    assert not list(folder.glob("out*"))
    return message


@pytest.mark.parametrize("architecture", checkpoints.LIGHT)
def test_outputs_stay(tmp_path, architecture):
    state = checkpoints.authors_state(architecture)
    checkpoint = checkpoints.write(tmp_path / "model_best.pth.tar", state)
    card = conversion.convert(checkpoint, tmp_path / "mine.safetensors")
    network, found = storage.load_weights(tmp_path / "mine.safetensors")
    assert found == card
    expected = reference.run(checkpoints.network(architecture), *inputs(architecture))
    out = reference.run(network, *inputs(architecture))
    assert (out - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("architecture", checkpoints.LIGHT)
def test_the_card_says_what_was_found(tmp_path, architecture):
    state = checkpoints.authors_state(architecture)
    checkpoint = checkpoints.write(tmp_path / "model_best.pth.tar", state)
    card = conversion.convert(checkpoint, tmp_path / "mine.safetensors")
    assert (card.name, card.architecture) == ("mine", architecture)
    assert card.hyperparameters.items() >= checkpoints.LIGHT[architecture].items()
    assert card.output == ("score" if architecture == "patch-discriminator" else "image")
    assert card.grid == ((32,) * 3 if architecture == "trans-unet" else (128,) * 3)
    assert card.scaling == {"method": "min-max"}
    assert card.training["converted_from"] == {
        "file": "model_best.pth.tar",
        "sha256": storage.file_sha256(checkpoint),
        "class": CLASSES[architecture],
        "epoch": 17,
        "validation_loss": 0.25,
    }
    assert not card.inference.batch_statistics
    assert str(tmp_path) not in (tmp_path / "mine.json").read_text()


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "side", "every"),
    [
        ("att_w8", 32, 1),
        ("res_w8", 64, 2),
        ("bts_w8", 32, 1),
        ("bts_w16_s32", 32, 1),
        pytest.param("att_w64", 32, 1, marks=pytest.mark.slow),
        pytest.param("res_w128", 64, 2, marks=pytest.mark.slow),
        pytest.param("bts_w16_s128", 128, 4, marks=pytest.mark.slow),
    ],
)
def test_outputs_are_those_of_the_authors_classes(tmp_path, name, side, every):
    state = {
        key: recipe.tensor(place, key, shape)
        for place, (key, shape) in enumerate(reference.shapes(name).items())
    }
    checkpoint = checkpoints.write(tmp_path / "checkpoint.pth.tar", state)
    conversion.convert(checkpoint, tmp_path / "mine.safetensors")
    network = storage.load_generator(tmp_path / "mine.safetensors")[0]
    out = reference.run(network, reference.volumes(side, 0))[0, 0, ::every, ::every, ::every]
    expected = reference.golden(f"{name}/out")
    assert np.abs(out.numpy() - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("architecture", ["att-unet", "trans-unet"])
def test_batch_statistics_reach_the_network(tmp_path, architecture):
    checkpoint = checkpoints.write(tmp_path / "c.tar", checkpoints.authors_state(architecture))
    card = conversion.convert(checkpoint, tmp_path / "out.safetensors", batch_statistics=True)
    assert card.inference.batch_statistics
    out = reference.run(
        storage.load_generator(tmp_path / "out.safetensors")[0], *inputs(architecture)
    )
    network = checkpoints.network(architecture)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.track_running_stats, module.running_mean, module.running_var = False, None, None
    expected = reference.run(network, *inputs(architecture))
    # Norms of a few channels make much of rounding.
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-3 * expected.abs().max().item())
    running = reference.run(checkpoints.network(architecture), *inputs(architecture))
    assert (out - running).abs().max() > 0.1 * running.abs().max()


def test_batch_statistics_of_a_network_without_batch_norm_are_told(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="clinica_t1nce")
    checkpoint = checkpoints.write(tmp_path / "c.tar", checkpoints.authors_state("res-unet"))
    card = conversion.convert(checkpoint, tmp_path / "out.safetensors", batch_statistics=True)
    assert not card.inference.batch_statistics
    assert "GeneratorUNetResMod has no batch norm" in caplog.text


def test_same_bytes_again_and_from_the_older_format(tmp_path):
    state = checkpoints.authors_state("att-unet")
    for number in (1, 2, 3):
        path = tmp_path / f"{number}" / "c.tar"
        path.parent.mkdir()
        torch.save({"model": state}, path, _use_new_zipfile_serialization=number < 3)
        conversion.convert(path, path.with_name("out.safetensors"))
    one, two, old = (tmp_path / f"{n}" / "out.safetensors" for n in (1, 2, 3))
    assert one.read_bytes() == two.read_bytes() == old.read_bytes()
    assert one.with_suffix(".json").read_bytes() == two.with_suffix(".json").read_bytes()
    converted = json.loads(old.with_suffix(".json").read_text())["training"]["converted_from"]
    assert converted.keys() == {"file", "sha256", "class"}


@pytest.mark.parametrize("loss", [torch.tensor(torch.nan), "low"])
def test_a_loss_that_says_nothing_is_left_out(tmp_path, loss):
    state = checkpoints.authors_state("patch-discriminator")
    checkpoint = checkpoints.write(tmp_path / "c.tar", state, valid_loss=loss)
    if isinstance(loss, str):
        checkpoint = checkpoints.write(checkpoint, state, valid_loss=loss, epoch="first")
    card = conversion.convert(checkpoint, tmp_path / "out.safetensors")
    assert "validation_loss" not in card.training["converted_from"]


def some(state):
    """Name some tensors from the first to the last."""
    names = list(state)
    return {*names[:: max(1, len(names) // 5)], names[-1]} - {TABLE}


class TestRefused:
    @pytest.mark.parametrize("architecture", checkpoints.LIGHT)
    def test_any_missing_tensor(self, tmp_path, architecture):
        whole = checkpoints.authors_state(architecture)
        for key in some(whole):
            state = {name: tensor for name, tensor in whole.items() if name != key}
            message = refused(checkpoints.write(tmp_path / "c.tar", state), tmp_path)
            assert f"not a whole {CLASSES[architecture]}: {key} missing; copy it again" in message

    @pytest.mark.parametrize("architecture", checkpoints.LIGHT)
    def test_any_misshapen_tensor(self, tmp_path, architecture):
        whole = checkpoints.authors_state(architecture)
        for key in some(whole):
            shape = tuple(whole[key].shape)
            state = {**whole, key: torch.zeros(*shape, 2)}
            message = refused(checkpoints.write(tmp_path / "c.tar", state), tmp_path)
            assert f"{key} {(*shape, 2)} for {shape} of another shape; copy it again" in message

    def test_a_position_table_that_fits_no_cube(self, tmp_path):
        state = checkpoints.authors_state("trans-unet")
        state[TABLE] = state[TABLE][:, :60]
        message = refused(checkpoints.write(tmp_path / "c.tar", state), tmp_path)
        assert f"{TABLE} (1, 60, 16) for (1, 64, 16) of another shape" in message
        del state[TABLE]
        message = refused(checkpoints.write(tmp_path / "c.tar", state), tmp_path)
        assert f"not a whole BTS: {TABLE} missing; copy it again" in message

    @pytest.mark.parametrize("architecture", checkpoints.LIGHT)
    def test_a_superfluous_tensor(self, tmp_path, architecture):
        state = {**checkpoints.authors_state(architecture), "extra.weight": torch.zeros(1)}
        message = refused(checkpoints.write(tmp_path / "c.tar", state), tmp_path)
        assert "extra.weight superfluous" in message

    def test_a_tensor_that_is_not_finite(self, tmp_path):
        state = checkpoints.authors_state("res-unet")
        state["up2.model.0.bias"][1] = torch.inf
        message = refused(checkpoints.write(tmp_path / "c.tar", state), tmp_path)
        assert "up2.model.0.bias not finite" in message

    def test_another_network(self, tmp_path):
        state = torch.nn.Conv3d(1, 1, 1).state_dict()
        message = refused(checkpoints.write(tmp_path / "c.tar", state), tmp_path)
        assert "none of the authors' networks (AttU_Net, GeneratorUNetResMod, BTS" in message

    @pytest.mark.parametrize(
        "content", [{}, {"model": 3}, {"model": {"a": 1}}, [torch.zeros(1)], {"state": {}}]
    )
    def test_no_model(self, tmp_path, content):
        torch.save(content, tmp_path / "c.tar")
        assert "no tensors under the key 'model'" in refused(tmp_path / "c.tar", tmp_path)

    def test_an_empty_model(self, tmp_path):
        message = refused(checkpoints.write(tmp_path / "c.tar", {}), tmp_path)
        assert "none of the authors' networks" in message

    def test_code_is_not_run(self, tmp_path):
        optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
        torch.save({"optimizer": {}, "name": optimiser}, tmp_path / "optimizer.pth.tar")
        assert "could run code" in refused(tmp_path / "optimizer.pth.tar", tmp_path)

    def test_other_files(self, tmp_path):
        path = checkpoints.write(tmp_path / "c.tar", checkpoints.authors_state("att-unet"))
        whole = path.read_bytes()
        for content in (whole[: len(whole) // 2], b"", b"text", pickle.dumps({"model": 1}) + b"x"):
            path.write_bytes(content)
            refused(path, tmp_path)

    def test_no_file(self, tmp_path):
        assert "cannot be read" in refused(tmp_path / "c.tar", tmp_path)
