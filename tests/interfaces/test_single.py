import nibabel as nib
import numpy as np
import pytest
from nipype import Node

from clinica_t1nce.caps import sidecar
from clinica_t1nce.errors import OutputError
from clinica_t1nce.interfaces import TranslateT1ce
from tests.data import volumes
from tests.data.caps import DETECTOR, save_weights


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
