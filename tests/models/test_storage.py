import json
import pickle
import resource
import subprocess
import sys

import pytest
import torch

from clinica_t1nce.errors import OutputError, WeightsError
from clinica_t1nce.models import cards, conversion, registry, storage


def make_card(**changes):
    fields = registry.preset("change-unet") | {"hyperparameters": {"widths": [2, 4]}} | changes
    return cards.Card(name=fields.pop("name", "tiny"), **fields)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return registry.build("change-unet", widths=[2, 4])


@pytest.fixture
def weights(tmp_path, network):
    path = tmp_path / "tiny.safetensors"
    storage.save_weights(path, network, make_card(licence="MIT", training={"seed": 3}))
    return path


@pytest.fixture
def shelf(tmp_path, monkeypatch, network):
    """Stand in for the package's own weights."""
    folder = tmp_path / "shelf"
    monkeypatch.setattr(storage, "WEIGHTS", folder)
    for name in (storage.DEFAULT_MODEL, "other-v1"):
        storage.save_weights(folder / f"{name}.safetensors", network, make_card(name=name))
    return folder


def edit(weights, **changes):
    path = weights.with_suffix(".json")
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))


class Trap:
    """Something whose unpickling makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return type(self.path).touch, (self.path,)


def refused(name_or_path):
    with pytest.raises(WeightsError) as caught:
        storage.load_weights(name_or_path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_weights_come_back(weights, network, suffix, kind):
    module, card = storage.load_weights(kind(weights.with_suffix(suffix)))
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())
    x = torch.rand(1, 1, 8, 8, 8)
    torch.testing.assert_close(module(x), network(x).detach(), rtol=0, atol=0)
    assert (card.licence, card.training, len(card.sha256)) == ("MIT", {"seed": 3}, 64)


def test_saving_again_gives_the_same_bytes(tmp_path, weights, network):
    again = tmp_path / "again" / "tiny.safetensors"
    storage.save_weights(again, network, make_card(licence="MIT", training={"seed": 3}))
    for suffix in (".safetensors", ".json"):
        assert again.with_suffix(suffix).read_bytes() == weights.with_suffix(suffix).read_bytes()
    assert sorted(path.name for path in again.parent.iterdir()) == ["tiny.json", again.name]


def test_batch_norm_and_layout_come_back(tmp_path):
    network = registry.build("att-unet", widths=[2, 4]).to(memory_format=torch.channels_last_3d)
    network(torch.rand(1, 1, 8, 8, 8))
    card = make_card(architecture="att-unet")
    storage.save_weights(tmp_path / "a.safetensors", network, card)
    loaded = storage.load_generator(tmp_path / "a.safetensors")[0].state_dict()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, loaded[name]), name
    assert loaded["Conv1.conv.1.num_batches_tracked"] == 1


def test_half_precision_weights_become_float32(tmp_path, network):
    path = tmp_path / "half.safetensors"
    storage.save_weights(path, network.half(), make_card())
    dtypes = {parameter.dtype for parameter in storage.load_generator(path)[0].parameters()}
    assert dtypes == {torch.float32}


def test_loading_leaves_the_random_numbers_alone(weights):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    storage.load_weights(weights)
    assert torch.equal(torch.rand(3), expected)


class TestNames:
    @pytest.mark.parametrize("name", ["default", storage.DEFAULT_MODEL])
    def test_default_is_shipped(self, shelf, name):
        assert storage.load_weights(name)[1].name == storage.DEFAULT_MODEL
        assert not storage.load_generator(name)[0].training

    def test_shipped_are_listed(self, shelf):
        (shelf / "cardless.safetensors").touch()
        assert storage.shipped() == sorted([storage.DEFAULT_MODEL, "other-v1"])

    def test_unknown_names_the_shipped(self, shelf):
        message = refused("unet")
        assert "no weights 'unet'" in message
        assert f"{storage.DEFAULT_MODEL}, other-v1" in message

    def test_missing_file(self, tmp_path):
        path = tmp_path / "none.safetensors"
        assert refused(path) == f"{path}: no such file; check the path"

    @pytest.mark.parametrize("name", ["model_best.pth.tar", "model.ckpt"])
    def test_other_formats_name_the_one_wanted(self, tmp_path, name):
        path = tmp_path / name
        path.write_bytes(b"PK")
        assert "give a .safetensors file with its .json card" in refused(path)


class TestDamage:
    def test_no_card(self, weights):
        weights.with_suffix(".json").unlink()
        assert refused(weights) == f"{weights}: no card tiny.json beside it; copy that too"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"{", "tiny.json: not a card: not JSON"),
            (b"[]", "not a card: not a JSON object"),
            (b"3", "not a card: not a JSON object"),
            (b"\xff\xfe\x00", "cannot be read"),
        ],
    )
    def test_card_that_is_none(self, weights, content, message):
        weights.with_suffix(".json").write_bytes(content)
        assert message in refused(weights)

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "its card says"),
            (lambda content: content[:100], "SHA-256"),
        ],
    )
    def test_changed_weights(self, weights, damage, message):
        weights.write_bytes(damage(weights.read_bytes()))
        assert message in refused(weights)

    def test_not_safetensors(self, weights):
        weights.write_bytes(b"something else altogether")
        edit(weights, sha256=storage.file_sha256(weights))
        assert "not a safetensors file" in refused(weights)

    def test_a_pickle_is_never_run(self, weights, tmp_path):
        trap = {"model": Trap(tmp_path / "sprung")}
        for save in (torch.save, lambda found, path: path.write_bytes(pickle.dumps(found, 2))):
            save(trap, weights)
            edit(weights, sha256=storage.file_sha256(weights))
            assert "not a safetensors file" in refused(weights)
            with pytest.raises(WeightsError, match="could run code and is not loaded"):
                conversion.convert(weights, tmp_path / "converted.safetensors")
            assert not (tmp_path / "sprung").exists()
        pickle.loads(weights.read_bytes())
        assert (tmp_path / "sprung").exists()

    @pytest.mark.parametrize("declared", ["header", "tensor", "card"])
    def test_what_claims_to_be_huge_costs_no_memory(self, weights, declared):
        if declared == "card":
            edit(weights, hyperparameters={"widths": [2, 20_000]})
        else:
            huge = 10**10
            tensor = {"dtype": "F32", "shape": [huge // 4], "data_offsets": [0, huge]}
            header = json.dumps({"head.bias": tensor}).encode()
            size = huge if declared == "header" else len(header)
            weights.write_bytes(size.to_bytes(8, "little") + header + bytes(100))
            edit(weights, sha256=storage.file_sha256(weights))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        message = refused(weights)
        assert ("for (20000" if declared == "card" else "not a safetensors file") in message
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000

    @pytest.mark.parametrize(
        ("changes", "messages"),
        [
            ({"architecture": "att-unet"}, ("of 'att-unet'", "missing", "superfluous")),
            ({"hyperparameters": {"widths": [2, 6]}}, ("(4, 4, 3, 3, 3) for (6, 6, 3, 3, 3)",)),
            ({"hyperparameters": {"depth": 3}}, ("tiny.safetensors: ", "cannot be built with")),
            ({"format_version": 2}, ("tiny.json: ", "update it")),
            ({"output": "mask"}, ("tiny.json: output 'mask' unknown",)),
        ],
    )
    def test_card_of_other_weights(self, weights, changes, messages):
        edit(weights, **changes)
        message = refused(weights)
        assert message.startswith(str(weights.with_suffix("")))
        assert all(part in message for part in messages)

    def test_weights_that_are_not_finite(self, tmp_path, network):
        with torch.no_grad():
            network.head.bias[0] = torch.nan
        with pytest.raises(WeightsError, match=r"head\.bias not finite"):
            storage.save_weights(tmp_path / "a.safetensors", network, make_card())


class TestSave:
    def test_a_card_that_does_not_fit_is_refused(self, tmp_path, network):
        card = make_card(hyperparameters={"widths": [2, 8]})
        with pytest.raises(WeightsError, match="of another shape"):
            storage.save_weights(tmp_path / "a.safetensors", network, card)
        assert list(tmp_path.iterdir()) == []

    def test_another_suffix_is_refused(self, tmp_path, network):
        with pytest.raises(WeightsError, match=r"\.safetensors"):
            storage.save_weights(tmp_path / "a.pt", network, make_card())

    def test_unwritable_folder(self, tmp_path, network):
        (tmp_path / "file").touch()
        with pytest.raises(OutputError):
            storage.save_weights(tmp_path / "file" / "a.safetensors", network, make_card())


def test_a_discriminator_is_loaded_but_is_no_generator(tmp_path):
    path = tmp_path / "judge.safetensors"
    settings = registry.preset("patch-discriminator")
    settings["hyperparameters"]["widths"] = [2, 3, 4]
    module = registry.build(settings["architecture"], **settings["hyperparameters"])
    storage.save_weights(path, module, cards.Card(name="judge", **settings))
    loaded, card = storage.load_weights(path)
    pair = torch.rand(2, 1, 1, 64, 64, 64)
    torch.testing.assert_close(loaded(*pair), module(*pair))
    assert card.output == "score"
    with pytest.raises(WeightsError, match=r"judge.* is a discriminator, which makes no image"):
        storage.load_generator(path)


def test_shipped_weights_load():
    for name in storage.shipped():
        module, card = storage.load_weights(name)
        assert card.name == name
        assert sum(parameter.numel() for parameter in module.parameters()) > 0


def test_importing_models_does_not_import_torch():
    code = "import sys, clinica_t1nce.models; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_each_kind_of_fault_is_told_by_name():
    expected = {"a": (2, 3), "b": (1,), "c": ()}
    found = {"a": torch.zeros(3, 2), "b": torch.tensor([torch.nan]), "d": torch.zeros(1)}
    problems = storage.faults(expected, found)
    assert problems == {
        "missing": ["c"],
        "superfluous": ["d"],
        "of another shape": ["a (3, 2) for (2, 3)"],
        "not finite": ["b"],
    }
    words = "c missing; d superfluous; a (3, 2) for (2, 3) of another shape; b not finite"
    assert storage.in_words(problems) == words


def test_no_fault():
    assert storage.faults({"a": (2,)}, {"a": torch.zeros(2)}) == {}


def test_many_are_counted():
    assert storage.in_words({"missing": ["a", "b", "c", "d"]}) == "a, b, and 2 more missing"


def test_loading_does_not_import_the_compiler():
    code = (
        "import sys; from clinica_t1nce.models import storage; storage.load_weights(); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
