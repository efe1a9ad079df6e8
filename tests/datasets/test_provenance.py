import json

import pytest

from clinica_t1nce.bids.contrast_agents import has_contrast
from clinica_t1nce.bids.t1w_images import Dataset
from clinica_t1nce.caps import names, query, sidecar
from clinica_t1nce.datasets.homogenisation import HomogenisationRequest, homogenise
from clinica_t1nce.datasets.provenance import find_origins
from tests.data.bids import make_synthetic


def on_grid(crop, space, view):
    """Give the image of t1-linear, or its raw one, that lies on a grid."""
    if space == names.NATIVE:
        return names.raw_path(crop, view)
    return crop if space == names.MNI_CROP else names.full_path(crop)


def tell_references(caps, view):
    """Write the field that t1-synth-nce writes, and the sidecars of this package's tests lack."""
    for _, crop in query.find_crops(caps):
        for space in names.SPACES:
            image = names.in_space(names.output_path(crop, "m"), space)
            if image.is_file():
                reference = names.uri(on_grid(crop, space, view), caps, image.parent)
                content = sidecar.read(image) | {"SpatialReference": reference}
                sidecar.write(image, content)


def test_a_t1ce_that_was_not_translated_is_left_out(caps):
    for image in caps.glob("subjects/sub-02/*/t1_synth_nce/*/*_desc-SynthNce_*"):
        image.unlink()
    found = find_origins(caps)
    assert [origin.image for origin in found.images if origin.visit.subject == "sub-02"] == []
    assert [origin.synthetic for origin in found.images] == [False, True, False, False, True]
    assert found.n_left_out == 1


def test_t1nce_that_went_through_the_generator_are_no_t1ce(caps):
    crops = [crop for _, crop in query.find_crops(caps) if not has_contrast(crop.name)]
    for crop in crops[:-1]:
        make_synthetic(crop, "m", selected_by="include-t1nce")
    found = find_origins(caps)
    of_t1nce = [origin for origin in found.images if not origin.synthetic]
    assert [origin.image for origin in of_t1nce] == [
        names.output_path(crop, "m") for crop in crops[:-1]
    ]
    assert [origin.source for origin in of_t1nce] == crops[:-1]
    assert found.n_left_out == len(list(query.find_crops(caps))) - len(found.images) > 0


@pytest.mark.parametrize("space", names.SPACES)
@pytest.mark.parametrize("copy", [False, True])
def test_before_is_on_the_same_grid(caps, tmp_path, space, copy):
    view = tmp_path / "view"
    tell_references(caps, view)
    request = HomogenisationRequest(caps, tmp_path / "out", space=space, copy=copy)
    homogenise(request)
    found = find_origins(tmp_path / "out").images
    assert [origin.synthetic for origin in found] == [False, False, True, False]
    (crop,) = (crop for visit, crop in query.find_crops(caps) if visit.subject == "sub-02")
    assert found[2].source.resolve() == on_grid(crop, space, view).resolve()
    assert [origin.source for origin in found if not origin.synthetic] == [
        origin.image for origin in found if not origin.synthetic
    ]


def test_before_of_a_t1nce_through_the_generator_is_the_t1nce(caps, tmp_path):
    for _, crop in query.find_crops(caps):
        if not has_contrast(crop.name):
            make_synthetic(crop, "m", selected_by="include-t1nce")
    homogenise(HomogenisationRequest(caps, tmp_path / "out", include_t1nce=True, copy=True))
    found = find_origins(tmp_path / "out").images
    assert [origin.synthetic for origin in found] == [False, False, True, False]
    crops = {crop for _, crop in query.find_crops(caps)}
    assert all(origin.source in crops for origin in found)


def test_metadata_that_are_not_understood_leave_a_visit_out(caps, tmp_path):
    path = next((tmp_path / "view/sub-01/ses-M012/anat").glob("*_T1w.json"))
    path.unlink()
    path.write_text(json.dumps({"ContrastBolusAgent": "frobnicate 10 ml"}))
    found = find_origins(caps, dataset=Dataset(tmp_path / "view"))
    assert [str(visit) for visit in found.failed] == ["sub-01 ses-M012"]
    assert found.n_left_out == 1
