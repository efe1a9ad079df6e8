import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from clinica_t1nce.caps import sidecar
from clinica_t1nce.cli.translate import cli
from tests.data import volumes
from tests.data.caps import DETECTOR, save_weights

DATA = volumes.enhance(volumes.brain())


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_weights(tmp_path_factory.mktemp("weights"), calibration=DETECTOR)


def run(weights, *arguments):
    words = [*arguments, "--model", weights, "--device", "cpu"]
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_one_file(tmp_path, weights):
    source = volumes.write(
        tmp_path / "in.nii.gz", DATA, volumes.affine("lps", zooms=(1, 1, 3)), dtype=np.int16
    )
    out = tmp_path / "new" / "out.nii.gz"
    result = run(weights, source, "-o", out, "--save-enhancement")
    assert result.exit_code == 0, result.output
    assert f"{out}  (gadolinium " in result.output
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "out.json",
        "out.nii.gz",
        "out_enhancement.json",
        "out_enhancement.nii.gz",
    ]
    before, after = nib.load(source), nib.load(out)
    assert after.header.binaryblock == before.header.binaryblock
    assert (after.get_fdata() <= before.get_fdata()).all()
    assert (after.get_fdata() < before.get_fdata()).any()
    assert sidecar.read(out)["Model"]["Name"] == "tiny"

    again = run(weights, source, "-o", out)
    assert again.exit_code == 2
    assert "--overwrite" in again.output
    first = out.read_bytes()
    assert run(weights, source, "-o", out, "--overwrite").exit_code == 0
    assert out.read_bytes() == first


def test_the_failure_of_one_image_stops_no_other(tmp_path, weights):
    volumes.write(tmp_path / "in" / "a.nii", DATA[:, :, 0])
    volumes.write(tmp_path / "in" / "b.nii", DATA)
    result = run(weights, tmp_path / "in", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "a.nii: 2-D" in result.output
    assert "1 of 2 images failed" in result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "b_desc-SynthNce.json",
        "b_desc-SynthNce.nii",
    ]


def test_two_processes_and_pages(tmp_path, weights):
    for name in "ab":
        volumes.write(tmp_path / "in" / f"{name}.nii", DATA)
    volumes.write(tmp_path / "in" / "c.nii", DATA[:, :, 0])
    result = run(weights, tmp_path / "in", "-o", tmp_path / "out", "-np", 2, "--report")
    assert result.exit_code == 1
    assert "c.nii: 2-D" in result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"{name}_desc-SynthNce.{extension}"
        for name in "ab"
        for extension in ("html", "json", "nii")
    ]
    assert "Synthetic T1nce (tiny)" in (tmp_path / "out/a_desc-SynthNce.html").read_text()


def test_wrong_usage_is_one_line_before_any_work(tmp_path):
    result = run(tmp_path / "no.safetensors", tmp_path, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1
    assert "no .nii or .nii.gz file" in result.output
    assert list(tmp_path.iterdir()) == []
