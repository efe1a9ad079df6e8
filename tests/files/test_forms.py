import itertools
import struct

import ants
import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinica_t1nce.files import forms, nifti
from tests.data import volumes

SHAPE = (4, 5, 6)
QFORM = volumes.affine("las", zooms=(1.2, 0.9, 2), shape=SHAPE)
SFORM = volumes.affine("oblique", zooms=(1.2, 0.9, 2), shape=SHAPE)
SHEARED = volumes.affine("sheared", zooms=(1.2, 0.9, 2), shape=SHAPE)
# Where ITK lets axes of an image with no form run, with the origin at its first voxel.
NONE = np.diag([-1.2, -0.9, 2, 1])
PIXDIM, UNIT, CODES = 80, 123, 252


def write(path, codes, sform=SFORM, qform=QFORM, pixdim=None, unit=2, order="<"):
    """Write an image whose header holds just what is given: codes are of qform and sform."""
    image = nib.Nifti1Image(np.arange(120, dtype=np.int16).reshape(SHAPE), np.eye(4))
    image.set_qform(qform, 1)
    image.set_sform(sform, 1)
    content = bytearray(image.to_bytes())
    struct.pack_into("<hh", content, CODES, *codes)
    if pixdim is not None:
        struct.pack_into("<3f", content, PIXDIM, *pixdim)
    content[UNIT] = unit
    if order == ">":
        image = nib.Nifti1Image.from_bytes(bytes(content))
        header = image.header.as_byteswapped(">")
        content = header.binaryblock + bytes(4) + np.asarray(image.dataobj, ">i2").tobytes("F")
    path.write_bytes(content)
    return path


def expected(qform_code, sform_code):
    if sform_code == 1 or (sform_code and not qform_code):
        return "sform", SFORM
    return ("qform", QFORM) if qform_code else ("none", NONE)


@pytest.mark.parametrize("codes", [*itertools.product((0, 1, 2, 3, 4), repeat=2)])
@pytest.mark.parametrize("order", "<>")
def test_the_geometry_is_that_which_itk_takes(tmp_path, codes, order):
    image = nifti.load(write(tmp_path / "a.nii", codes, order=order))
    source, affine = expected(*codes)
    assert image.forms.source == source
    np.testing.assert_allclose(image.affine, affine, atol=1e-4)
    # One form alone leaves nothing to disagree with.
    assert (image.forms.other is None) == (sum(map(bool, codes)) == 1)


@pytest.mark.parametrize(
    ("codes", "source"), [((1, 1), "qform"), ((1, 2), "qform"), ((0, 1), "sform")]
)
def test_an_sform_with_shear_is_passed_over_where_there_is_a_qform(tmp_path, codes, source):
    image = nifti.load(write(tmp_path / "a.nii", codes, sform=SHEARED))
    assert image.forms.source == source
    wanted = QFORM if source == "qform" else SHEARED
    np.testing.assert_allclose(image.affine, wanted, atol=1e-4)


def test_forms_that_are_one_geometry_are_nibabels_to_the_bit(tmp_path):
    path = write(tmp_path / "a.nii", (1, 2), sform=QFORM)
    image = nifti.load(path)
    assert image.forms.other is None
    assert np.array_equal(image.affine, nib.load(path).affine)


@pytest.mark.parametrize(
    ("pixdim", "factors"),
    [((0, 0.9, 2), (1 / 1.2, 1, 1)), ((1.2, 0.9, -2), (1, 1, -1)), ((1.5, 0.9, 2), (1.25, 1, 1))],
)
def test_the_voxel_size_is_that_of_pixdim(tmp_path, pixdim, factors):
    image = nifti.load(write(tmp_path / "a.nii", (0, 1), pixdim=pixdim))
    np.testing.assert_allclose(image.affine, SFORM @ np.diag([*factors, 1]), atol=1e-4)
    assert image.forms.other is not None


@pytest.mark.parametrize(("unit", "factor"), [(0, 1), (1, 1000), (2, 1), (3, 0.001)])
def test_other_units_are_brought_to_mm(tmp_path, unit, factor):
    image = nifti.load(write(tmp_path / "a.nii", (1, 1), unit=unit))
    np.testing.assert_allclose(image.affine[:3], SFORM[:3] * factor, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("codes", [(1, 2), (1, 1), (0, 0)])
def test_what_is_saved_lies_on_the_source_in_every_reader(tmp_path, codes):
    image = nifti.load(write(tmp_path / "a.nii", codes))
    saved = nifti.save(tmp_path / "b.nii", image.data, image)
    ours, theirs = nib.load(saved).header, nib.load(image.path).header
    for field in nifti._GEOMETRY:
        assert np.array_equal(ours[field], theirs[field]), field
    np.testing.assert_allclose(nifti.load(saved).affine, image.affine, atol=1e-5)


turns = st.sampled_from([0, 0.01, -0.5, 2.0, np.pi / 2])
places = st.sampled_from([(0, 0, 0), (-90, 126, -72), (300, -755, 12.5)])
sizes = st.sampled_from([(1, 1, 1), (1.2, 0.9, 2), (0.5, 0.5, 5.5)])


@st.composite
def geometries(draw, size):
    one, other = draw(turns), draw(turns)
    affine = np.eye(4)
    affine[:3, :3] = volumes._rotation(one, other) @ np.diag(size)
    affine[:3, 3] = draw(places)
    if draw(st.booleans()):
        affine[:3, :3] = affine[:3, [1, 2, 0]]
    return affine


@st.composite
def headers(draw):
    size = draw(sizes)
    sform = draw(geometries(size))
    qform = sform if draw(st.booleans()) else draw(geometries(draw(sizes)))
    if draw(st.integers(0, 4)) == 0:
        sform = sform.copy()
        sform[0, 1] += draw(st.sampled_from([1e-6, 0.3]))
    codes = draw(st.tuples(*[st.sampled_from([0, 1, 2, 4])] * 2))
    return {
        "codes": codes,
        "sform": sform,
        "qform": qform,
        "unit": draw(st.sampled_from([0, 2, 3])),
    }


@given(headers())
@settings(max_examples=60)
def test_any_header_is_read_as_ants_reads_it(tmp_path_factory, header):
    path = write(tmp_path_factory.mktemp("itk") / "a.nii", **header)
    try:
        theirs = ants.image_read(str(path))
    except RuntimeError:
        # Shear, and no qform to go by.
        assert nifti.load(path).forms.source == "sform"
        return
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(theirs.direction) * theirs.spacing
    affine[:3, 3] = theirs.origin
    affine = np.diag([-1, -1, 1, 1]) @ affine
    distance = forms.measure_distance(affine, nifti.load(path).affine, SHAPE)
    assert distance < forms.TOLERANCE
