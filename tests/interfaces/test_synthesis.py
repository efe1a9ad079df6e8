import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nipype.pipeline.engine import Node

from clinica_t1nce.caps import sidecar
from clinica_t1nce.engine import event_log
from clinica_t1nce.errors import ImageError, OutputError, WeightsError
from clinica_t1nce.files import nifti
from clinica_t1nce.interfaces import SynthesizeT1nce, TranslateT1ce
from tests.data import volumes
from tests.data.caps import DETECTOR, head, save_weights, write_crop


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return str(save_weights(tmp_path_factory.mktemp("weights")))


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder with space")
    return [
        str(write_crop(folder / f"sub-{name}_T1w.nii.gz", head(seed)))
        for seed, name in enumerate("ab")
    ]


def synthesize(weights, **inputs):
    return SynthesizeT1nce(model=weights, device="cpu", n_threads=1, **inputs)


def test_names_and_mandatory_flags_of_the_inputs():
    traits = SynthesizeT1nce.input_spec().traits(transient=None)
    assert {name for name, trait in traits.items() if trait.mandatory} == {"in_files"}
    assert set(traits) == {
        "in_files",
        "out_files",
        "model",
        "device",
        "n_threads",
        "use_gpu",
        "dataset_root",
        "selected_by",
        "continue_on_error",
        "journal_dir",
        "output_spaces",
        "bids_directory",
        "blend",
        "save_enhancement",
        "keep_existing",
        "report_dir",
        "classification_files",
        "select",
        "include_t1nce",
        "report",
    }
    assert all(trait.desc for trait in traits.values())


def test_names_of_the_outputs():
    outputs = set(SynthesizeT1nce.output_spec().get())
    assert outputs == {
        "out_files",
        "sidecars",
        "json_files",
        "confidences",
        "failures",
        "full_files",
        "native_files",
        "enhancement_files",
        "vessel_files",
    }


def test_list_in_list_out_in_the_nodes_folder(tmp_path, monkeypatch, weights, crops):
    monkeypatch.chdir(tmp_path)
    outputs = synthesize(weights, in_files=crops).run(cwd=str(tmp_path)).outputs
    assert [Path(path).name for path in outputs.out_files] == [
        "sub-a_desc-SynthNce_T1w.nii.gz",
        "sub-b_desc-SynthNce_T1w.nii.gz",
    ]
    assert all(Path(path).parent == tmp_path for path in outputs.out_files)
    assert all(Path(path).exists() for path in outputs.sidecars)
    assert all(0 <= confidence <= 1 for confidence in outputs.confidences)
    assert outputs.failures == []
    source, result = nib.load(crops[0]), nib.load(outputs.out_files[0])
    assert result.shape == nifti.CROP_SHAPE
    assert result.get_data_dtype() == np.float32
    assert np.array_equal(result.get_qform(), source.affine)
    assert np.array_equal(result.get_sform(), source.affine)
    assert int(result.header["qform_code"]) == int(result.header["sform_code"]) == 2
    assert result.get_fdata().mean() < source.get_fdata().mean()


def test_the_same_bytes_again(tmp_path, weights, crops):
    written = []
    for name in ("one", "two"):
        out = tmp_path / name / "x.nii.gz"
        synthesize(weights, in_files=crops[:1], out_files=[str(out)]).run(cwd=str(tmp_path))
        written.append(out.read_bytes())
    assert written[0] == written[1]


def test_a_node_keeps_all_that_is_written(tmp_path, crops):
    """With maps and what each T1ce shows; of one that shows nothing that alone."""
    weights = str(save_weights(tmp_path / "weights", calibration=DETECTOR))
    dark = str(write_crop(tmp_path / "sub-c_T1w.nii.gz", 0.9 * volumes.brain(nifti.CROP_SHAPE)))
    given = {"in_files": [crops[0], dark], "save_enhancement": True, "select": "image"}
    plain = tmp_path / "plain"
    plain.mkdir()
    synthesize(weights, **given).run(cwd=plain)
    node = Node(synthesize(weights, **given), name="node", base_dir=tmp_path / "work")
    outputs = node.run().outputs
    files = {path.name for path in plain.iterdir()}
    assert files <= {path.name for path in (tmp_path / "work" / "node").iterdir()}
    assert {Path(path).name for path in outputs.json_files} == {
        name for name in files if name.endswith(".json")
    }
    assert sum("Gadolinium" in name for name in files) == 2


def test_an_error_ends_it_unless_told_otherwise(tmp_path, weights, crops):
    broken = tmp_path / "broken.nii.gz"
    broken.touch()
    log = tmp_path / "journal"
    inputs = {
        "in_files": [str(broken), crops[0]],
        "out_files": [str(tmp_path / "x.nii.gz"), str(tmp_path / "y.nii.gz")],
        "journal_dir": str(log),
    }
    with pytest.raises(ImageError, match="an empty file"):
        synthesize(weights, **inputs).run(cwd=str(tmp_path))
    assert not (tmp_path / "y.nii.gz").exists()
    outputs = synthesize(weights, continue_on_error=True, **inputs).run(cwd=str(tmp_path)).outputs
    assert outputs.out_files == str(tmp_path / "y.nii.gz")
    ((file, reason),) = outputs.failures
    assert file == str(broken)
    assert "an empty file" in reason
    events = event_log.latest(log)
    assert events[str(broken)].status == "failed"
    assert events[crops[0]].status == "done"
    assert events[crops[0]].seconds > 0


def test_voxels_that_were_mended_are_told(tmp_path, weights):
    data = head().astype(np.float32)
    data[80, 100, 90] = np.nan
    crop = write_crop(tmp_path / "a_T1w.nii.gz", data)
    log = tmp_path / "journal"
    synthesize(weights, in_files=[str(crop)], journal_dir=str(log)).run(cwd=str(tmp_path))
    assert "1 NaN or infinite" in event_log.latest(log)[str(crop)].warning


def test_errors_that_nobody_expected_keep_their_traceback(tmp_path, monkeypatch, weights, crops):
    from clinica_t1nce.synthesis import synthesizer

    def fail(self, volume, affine=None):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(synthesizer.Synthesizer, "__call__", fail)
    log = tmp_path / "journal"
    interface = synthesize(
        weights, in_files=crops[:1], continue_on_error=True, journal_dir=str(log)
    )
    outputs = interface.run(cwd=str(tmp_path)).outputs
    assert outputs.failures == [(crops[0], "unexpected ZeroDivisionError: oh")]
    assert "Traceback" in event_log.latest(log)[crops[0]].details


def test_weights_that_cannot_be_used_are_an_error(tmp_path, crops):
    with pytest.raises(WeightsError, match="no such file"):
        synthesize("nowhere.safetensors", in_files=crops).run(cwd=str(tmp_path))


@pytest.mark.parametrize(
    ("outputs", "message"), [(["x.nii.gz"], "1 out_files"), (["x.nii.gz"] * 2, "to one file")]
)
def test_outputs_must_fit(tmp_path, weights, crops, outputs, message):
    with pytest.raises(ValueError, match=message):
        synthesize(weights, in_files=crops, out_files=outputs).run(cwd=str(tmp_path))


def test_never_skipped_by_the_cache(tmp_path, weights, crops):
    out = tmp_path / "out" / "x.nii.gz"
    for _ in range(2):
        interface = synthesize(weights, in_files=crops[:1], out_files=[str(out)])
        Node(interface, name="node", base_dir=str(tmp_path)).run()
        assert out.exists()
        out.unlink()


def test_importing_the_interface_does_not_import_torch():
    code = "import sys, clinica_t1nce.interfaces; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_node_writes_image_sidecar_and_enhancement(tmp_path):
    weights = save_weights(tmp_path, calibration=DETECTOR)
    source = volumes.write(
        tmp_path / "sub-1_T1w.nii.gz", volumes.enhance(volumes.brain()), volumes.affine("las")
    )
    node = Node(
        TranslateT1ce(in_file=source, model=str(weights), device="cpu", save_enhancement=True),
        name="translate",
        base_dir=tmp_path / "work",
    )
    outputs = node.run().outputs
    assert outputs.out_file == str(tmp_path / "work/translate/sub-1_desc-SynthNce_T1w.nii.gz")
    before, after = nib.load(source), nib.load(outputs.out_file)
    removed = nib.load(outputs.enhancement_file).get_fdata()
    assert after.header.binaryblock == before.header.binaryblock
    assert removed.max() > 0
    np.testing.assert_allclose(before.get_fdata() - after.get_fdata(), removed, atol=1e-3)
    assert len(outputs.sidecar_files) == 2
    content = sidecar.read(type(source)(outputs.out_file))
    assert outputs.gadolinium == content["GadoliniumProbability"]


def test_the_input_is_not_written_over(tmp_path):
    source = volumes.write(tmp_path / "in.nii.gz", volumes.brain())
    with pytest.raises(OutputError, match="is the input itself"):
        TranslateT1ce(in_file=source, out_file=source, device="cpu").run(cwd=tmp_path)
