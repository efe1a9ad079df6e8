import nibabel as nib
import numpy as np
import pytest

from clinica_t1nce.datasets.homogenisation import homogenise
from clinica_t1nce.datasets.homogenisation_request import HomogenisationRequest
from tests.data.bids import make_bids, make_caps_of
from tests.data.volumes import affine, brain, write
from tests.datasets.homogenised import sidecar


@pytest.mark.parametrize(
    ("kind", "zooms"),
    [("las", (1, 1, 1)), ("oblique", (1, 1, 1)), ("oblique", (1, 8, 20)), ("pir", (20, 20, 20))],
)
def test_a_volume_far_from_the_origin_is_brought_there(tmp_path, out, kind, zooms):
    from clinica.iotools.data_handling import (
        are_images_centered_around_origin_of_world_coordinate_system,
    )

    source = make_bids(tmp_path / "b", {"sub-1_ses-1_T1w": {}})
    raw = next(source.glob("*/*/anat/*.nii.gz"))
    far = affine(kind, shape=(8, 9, 7), zooms=zooms)
    far[:3, 3] += (120, -358, 77)
    write(raw, brain((8, 9, 7)), far, dtype=np.int16, slope=0.5, qform_code=1)
    caps = make_caps_of(source, tmp_path / "c", model=None)
    homogenise(HomogenisationRequest(caps, out, space="native"))
    image = out / "sub-1/ses-1/anat/sub-1_ses-1_T1w.nii.gz"
    assert not are_images_centered_around_origin_of_world_coordinate_system([raw], source)
    assert are_images_centered_around_origin_of_world_coordinate_system([image], out)
    old, new = nib.load(raw), nib.load(image)
    assert np.array_equal(old.dataobj.get_unscaled(), new.dataobj.get_unscaled())
    assert new.dataobj.slope == 0.5
    assert new.get_sform(coded=True)[1] == 2
    # Exchanged axes: Clinica's reading of a qform would be 90 mm astray.
    assert new.get_qform(coded=True)[1] == (0 if kind == "pir" else 2)
    centre = new.affine[:3] @ [4, 4.5, 3.5, 1]
    assert np.linalg.norm(centre) < 50
    moved = sidecar(out, image.relative_to(out))["OriginMovedBy"]
    np.testing.assert_allclose(new.affine[:3, 3] - old.affine[:3, 3], moved, atol=2e-3)
    np.testing.assert_allclose(new.affine[:3, :3], old.affine[:3, :3], atol=1e-5)
