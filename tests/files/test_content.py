import gzip
import os

import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.files.content import fingerprint, has_changed, is_whole


def images():
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    little = nib.Nifti1Image(data, np.eye(4))
    big = nib.Nifti1Image(data, np.eye(4), nib.Nifti1Header(endianness=">"))
    extended = nib.Nifti1Image(data, np.eye(4))
    extended.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 500))
    return {"little": little, "big": big, "two": nib.Nifti2Image(data, np.eye(4)), "ext": extended}


@pytest.mark.parametrize("kind", ["little", "big", "two", "ext"])
@pytest.mark.parametrize("packed", [True, False])
def test_an_image_is_whole_until_something_is_missing(tmp_path, kind, packed):
    content = images()[kind].to_bytes()
    path = tmp_path / ("x.nii.gz" if packed else "x.nii")
    path.write_bytes(gzip.compress(content) if packed else content)
    assert is_whole(path)
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) - 2):
        path.write_bytes(whole[:cut])
        assert not is_whole(path)
    short = content[:-2]
    path.write_bytes(gzip.compress(short) if packed else short)
    assert not is_whole(path)


@pytest.mark.parametrize("content", [b"no image at all" * 50, b"\x1f\x8b" + b"x" * 500])
def test_what_is_no_image_is_not_whole(tmp_path, content):
    (tmp_path / "x.nii.gz").write_bytes(content)
    assert not is_whole(tmp_path / "x.nii.gz")
    assert not is_whole(tmp_path / "none.nii.gz")


def test_a_file_has_changed_by_size_or_content_not_by_time_alone(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"one")
    before = fingerprint(path)
    assert not has_changed(path, before)
    os.utime(path, ns=(1, 1))
    assert not has_changed(path, before)
    path.write_bytes(b"two")
    assert has_changed(path, before)
    path.write_bytes(b"longer")
    assert has_changed(path, before)
    path.unlink()
    assert not has_changed(path, before)


def test_where_size_and_time_agree_the_file_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"one")
    before = fingerprint(path)
    monkeypatch.setattr(type(path), "read_bytes", None)
    assert not has_changed(path, before)
