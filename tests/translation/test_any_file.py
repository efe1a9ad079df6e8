"""Invariants of a translation, for any NIfTI header and intensities that hypothesis draws."""

import struct

import nibabel as nib
import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from clinica_t1nce.caps import sidecar
from clinica_t1nce.errors import ImageError
from clinica_t1nce.translation import single
from tests.data import volumes
from tests.data.generators import Generator
from tests.translation.test_single import DATA

PIXDIM, CODES, SCALING, UNIT = 80, 252, 112, 123
TYPES = [f"{order}{kind}" for kind in ("u1", "i2", "u2", "i4", "f4", "f8") for order in "<>"]


@pytest.fixture(scope="module", autouse=True)
def neither_field_nor_pose():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(single.mni.bias, "measure_bias", lambda volume, affine: np.float32(1))
        patch.setattr(single.mni, "find_pose", fail)
        yield


def fail(volume, affine):
    raise ImageError("not tried")


def write(
    path,
    kind="<i2",
    scale=(1.0, 0.0),
    forms=("oblique", "las"),
    codes=(1, 2),
    pixdim=(1.0, 1.0, 1.0),
    unit=2,
    more_axes=(),
    extension=False,
    image=DATA,
):
    """Write a file as drawn; its voxels are `image`, less the offset of the scale and over it."""
    dtype = np.dtype(kind)
    slope, offset = scale
    stored = (image.astype(np.float64) - offset) / slope
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        stored = np.clip(np.rint(np.nan_to_num(stored)), limits.min, limits.max)
    axes = stored.reshape(stored.shape + more_axes)
    nifti = nib.Nifti1Image(axes.astype(dtype.newbyteorder("=")), np.eye(4))
    nifti.set_qform(volumes.affine(forms[0]), 1, strip_shears=True)
    nifti.set_sform(volumes.affine(forms[1]), 1)
    if extension:
        nifti.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"of the scanner"))
    header = nifti.header.as_byteswapped(dtype.byteorder if dtype.byteorder in "<>" else "<")
    content = bytearray(type(nifti)(axes.astype(dtype), None, header).to_bytes())
    order = "<" if content[:4] == b"\x5c\x01\0\0" else ">"
    struct.pack_into(f"{order}2f", content, SCALING, *scale)
    struct.pack_into(f"{order}2h", content, CODES, *codes)
    struct.pack_into(f"{order}3f", content, PIXDIM, *pixdim)
    content[UNIT] = unit
    path.write_bytes(content)
    return path


@st.composite
def intensities(draw):
    """Draw a T1ce: quantised, clipped, with specks, or voxels without a value."""
    image = DATA / draw(st.sampled_from([1.0, 3.3]))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    fault = draw(st.sampled_from(["none", "quantised", "clipped", "hot", "dark", "nan", "noise"]))
    hit = rng.random(image.shape) < 1e-3
    if fault == "quantised":
        image = np.round(image / image.max() * 255)
    if fault == "clipped":
        image = np.minimum(image, 0.9 * image.max())
    if fault in ("hot", "dark", "nan"):
        image = np.where(hit, {"hot": 1e9, "dark": -32767.0, "nan": np.nan}[fault], image)
    if fault == "noise":
        image = np.abs(rng.normal(scale=100, size=image.shape))
    return image


files = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(TYPES),
        "scale": st.sampled_from(
            [(1.0, 0.0), (0.37, 0.0), (2.0, -1024.0), (-1.0, 0.0), (0.0, 0.0)]
        ),
        "forms": st.tuples(*[st.sampled_from(["ras", "las", "pir", "oblique", "sheared"])] * 2),
        "codes": st.tuples(*[st.sampled_from([0, 1, 2, 4])] * 2),
        "pixdim": st.tuples(*[st.sampled_from([1.0, 1.0, 1.0, 0.0, -1.0, 5.0])] * 3),
        "unit": st.sampled_from([0, 2, 2, 2, 1, 3]),
        "more_axes": st.sampled_from([(), (), (1,), (1, 1)]),
        "extension": st.booleans(),
        "image": intensities(),
    }
)


@settings(max_examples=60)
@given(files)
def test_any_file_is_refused_in_one_line_or_loses_nothing_but_enhancement(tmp_path_factory, file):
    folder = tmp_path_factory.mktemp("any")
    if file["scale"][0] == 0:
        # A slope of 0 stands for none.
        path = write(folder / "in.nii", **{**file, "scale": (1.0, 0.0)})
        content = bytearray(path.read_bytes())
        content[SCALING : SCALING + 8] = bytes(8)
        path.write_bytes(content)
    else:
        path = write(folder / "in.nii", **file)
    files = single.SingleJob(path, folder / "out.nii", folder / "removed.nii")
    try:
        content = single.translate_file(files, Generator()).sidecar
    except ImageError as error:
        event("refused")
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)
        assert [item.name for item in folder.iterdir()] == ["in.nii"]
        return
    event("translated")
    before, after = path.read_bytes(), files.image.read_bytes()
    start = nib.load(path).dataobj.offset
    assert len(before) == len(after)
    assert before[:start] == after[:start]
    t1ce, t1nce = (nib.load(item).get_fdata() for item in (path, files.image))
    known = np.isfinite(t1ce)
    assert np.isfinite(t1nce).all()
    step = np.abs(nib.load(path).dataobj.slope) if np.dtype(file["kind"]).kind in "iu" else 1e-3
    assert (t1nce <= t1ce + step)[known].all()
    assert (t1nce >= np.minimum(t1ce, 0) - step)[known].all() or "background" in str(
        content["Flags"]
    )
    assert np.isfinite(nib.load(files.enhancement).get_fdata()).all()
    assert sidecar.read(files.image) == content


@settings(max_examples=15)
@given(
    constant=st.sampled_from([-1024.0, -300.0, 57.5, 640.0, 5000.0]),
    kind=st.sampled_from(["<i4", ">i4", "<f4", ">f8"]),
)
def test_a_constant_of_the_scale_is_in_the_result(tmp_path_factory, constant, kind):
    folder = tmp_path_factory.mktemp("constant")
    made = []
    for number, offset in enumerate((0.0, constant)):
        path = write(folder / f"{number}.nii", kind=kind, image=DATA + offset, scale=(1.0, offset))
        files = single.SingleJob(path, folder / f"{number}_out.nii")
        single.translate_file(files, Generator())
        made.append(nib.load(files.image).get_fdata())
    removed = np.abs(DATA - made[0]).sum()
    assert np.abs(made[1] - constant - made[0]).sum() < 0.01 * removed
