import json

import nibabel as nib
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from clinica_t1nce.cli.weights import export_bundle
from clinica_t1nce.errors import OutputError, WeightsError
from clinica_t1nce.models import cards, registry, storage
from clinica_t1nce.pipelines.bundle import export
from clinica_t1nce.synthesis import Synthesizer
from tests.data import volumes

# Bundles are TorchScript, which later versions of PyTorch call deprecated when it is loaded.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")

DATA = np.pad(volumes.enhance(volumes.brain((35, 42, 29))), [(12, 3), (10, 11), (5, 4)])
"""Not of the sides that the network is traced with, nor of multiples of anything."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small network that fills, of the architecture of the shipped one, mirrored and guided."""
    torch.manual_seed(3)
    options = {"widths": [4, 6], "quantiles": [0.25, 0.5, 0.75], "fill": True}
    module = registry.build("change-unet", **options)
    with torch.no_grad():
        module.head.weight.normal_(0.02, 0.1)
    fields = registry.preset("change-unet") | {"hyperparameters": options}
    fields["inference"] = {
        "mirrors": [[], [0]],
        "guided": True,
        "quantile": 0.6,
        "fade": [0.01, 0.03],
    }
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    storage.save_weights(path, module, cards.Card(name="small", licence="MIT", **fields))
    return path


@pytest.fixture(scope="module")
def bundle(weights, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "small"
    result = CliRunner().invoke(export_bundle, [str(weights), str(out)])
    assert result.exit_code == 0, result.output
    return out


@pytest.mark.parametrize("scale", [1, 0.01])
def test_torch_alone_gives_the_same_image(bundle, weights, scale):
    data = (DATA * scale).astype(np.float32)
    expected = Synthesizer.load(weights, "cpu")(data).image
    assert np.abs(expected - data).max() > 10 * scale
    found = torch.jit.load(bundle / "models" / "model.ts")(torch.from_numpy(data)[None, None])
    np.testing.assert_allclose(found[0, 0].numpy(), expected, rtol=0, atol=1e-5 * data.max())


@pytest.mark.filterwarnings("ignore")  # MONAI looks for readers that are not installed.
def test_monai_runs_the_bundle(bundle, weights, tmp_path):
    # What `python -m monai.bundle run` calls, which takes Fire for its options.
    from monai.bundle import run

    volumes.write(tmp_path / "images" / "a.nii.gz", DATA, np.eye(4))
    run(
        config_file=str(bundle / "configs/inference.json"),
        bundle_root=str(bundle),
        dataset_dir=str(tmp_path / "images"),
        output_dir=str(tmp_path / "out"),
        device="cpu",
    )
    found = nib.load(tmp_path / "out" / "a_desc-synthnce.nii.gz").get_fdata()
    expected = Synthesizer.load(weights, "cpu")(DATA).image
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * DATA.max())


def test_documents_say_what_it_is(bundle, weights):
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    card = cards.Card.from_json(weights.with_suffix(".json").read_text())
    assert metadata["weights_sha256"] == card.sha256
    needed = {"version", "monai_version", "pytorch_version", "numpy_version", "task", "authors"}
    assert needed <= metadata.keys()
    assert (bundle / "README.md").read_text().startswith("---\nlicense: mit\n")


def test_what_cannot_be_exported(tmp_path, weights):
    with pytest.raises(WeightsError, match="works on a grid of its own and gives whole images"):
        export("att-unet-light-v1", tmp_path / "out")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        export(str(weights), tmp_path)
