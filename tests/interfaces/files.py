"""Files of one small pair."""

from pathlib import Path

import nibabel as nib
import numpy as np

from tests.data import volumes

SHAPE = (40, 48, 36)
AFFINE = volumes.affine("las", shape=SHAPE)


def data(path):
    return np.asarray(nib.load(path).dataobj)


def assert_geometry(path, dtype):
    image = nib.load(path)
    assert image.get_data_dtype() == dtype
    for form, code in (image.get_qform(coded=True), image.get_sform(coded=True)):
        np.testing.assert_allclose(form, AFFINE, atol=1e-5)
        assert code > 0
    assert Path(path).is_relative_to(Path.cwd())
