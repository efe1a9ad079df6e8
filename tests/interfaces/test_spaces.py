import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.errors import ImageError, OutputError, TransformError
from clinica_t1nce.files import nifti
from clinica_t1nce.interfaces import BlendChange, ToNativeSpace
from tests.data import volumes
from tests.data.raw import make_visit


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    return make_visit(tmp_path_factory.mktemp("visit"))


@pytest.fixture(scope="module")
def t1nce(visit):
    """A synthetic image: 100 less in one cube."""
    crop = nifti.load(visit.crop)
    data = crop.data.copy()
    data[80:90, 90:100, 70:80] -= 100
    return nifti.save(visit.crop.with_name("t1nce.nii.gz"), data, crop)


def files(visit, t1nce):
    return {"t1ce_file": str(visit.crop), "t1nce_file": str(t1nce)}


def test_the_whole_image_is_changed_where_the_crop_was(visit, t1nce, tmp_path):
    interface = BlendChange(in_file=str(visit.full), **files(visit, t1nce))
    out = Path(interface.run(cwd=str(tmp_path)).outputs.out_file)
    assert out.parent == tmp_path
    assert out.name.endswith("_desc-SynthNce_T1w.nii.gz")
    full, changed = nib.load(visit.full), nib.load(out)
    assert np.array_equal(full.affine, changed.affine)
    removed = full.get_fdata() - changed.get_fdata()
    assert np.argwhere(removed).min(axis=0).tolist() == [92, 103, 70]
    np.testing.assert_allclose(removed[92:102, 103:113, 70:80], 100, atol=1e-3)


def test_the_raw_image_is_changed_where_the_affine_says(visit, t1nce, tmp_path):
    out = tmp_path / "native.nii.gz"
    interface = ToNativeSpace(
        raw_file=str(visit.raw),
        affine_file=str(visit.affine),
        out_file=str(out),
        **files(visit, t1nce),
    )
    assert interface.run(cwd=str(tmp_path)).outputs.out_file == str(out)
    ours, theirs = (gzip.decompress(path.read_bytes()) for path in (out, visit.raw))
    assert ours[:352] == theirs[:352]
    raw = nib.load(visit.raw)
    removed = raw.get_fdata() - nib.load(out).get_fdata()
    centre = np.argwhere(removed > 50).mean(axis=0)
    crop = nib.load(visit.crop)
    expected = visit.transform @ crop.affine @ [84.5, 94.5, 74.5, 1]
    np.testing.assert_allclose((raw.affine @ [*centre, 1])[:3], expected[:3], atol=2.5)


def test_a_warped_crop_is_refused_with_the_way_out(tmp_path):
    visit = make_visit(tmp_path, warp=True)
    interface = ToNativeSpace(
        raw_file=str(visit.raw), affine_file=str(visit.affine), **files(visit, visit.crop)
    )
    with pytest.raises(TransformError, match="use-antspy; synthesise with the output space native"):
        interface.run(cwd=str(tmp_path))


def test_images_on_two_grids_are_refused(visit, tmp_path):
    other = volumes.write(tmp_path / "other.nii.gz", volumes.brain())
    interface = BlendChange(in_file=str(visit.full), **files(visit, other))
    with pytest.raises(ImageError, match="on another grid than"):
        interface.run(cwd=str(tmp_path))


def test_an_output_that_is_an_input_is_refused(visit, t1nce, tmp_path):
    link = tmp_path / "link.nii.gz"
    link.symlink_to(visit.full)
    interface = BlendChange(in_file=str(visit.full), out_file=str(link), **files(visit, t1nce))
    before = visit.full.read_bytes()
    with pytest.raises(OutputError, match=r"link.nii.gz: is the input itself"):
        interface.run(cwd=str(tmp_path))
    assert visit.full.read_bytes() == before


@pytest.mark.parametrize("interface", [BlendChange, ToNativeSpace])
def test_every_input_and_output_is_described(interface):
    inputs = interface.input_spec().traits(transient=None)
    assert all(trait.desc for trait in inputs.values())
    assert set(interface.output_spec().get()) == {"out_file"}
