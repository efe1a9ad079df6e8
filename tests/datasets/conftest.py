import pytest

from clinica_t1nce.caps import names, query
from clinica_t1nce.datasets import outputs, separation
from tests.data.bids import make_bids, make_caps_of


@pytest.fixture
def caps(tmp_path):
    source = make_bids(tmp_path / "bids")
    outputs.make_files(tmp_path / "view", separation.plan_view(source).files)
    caps = make_caps_of(tmp_path / "view", tmp_path / "caps")
    for visit, crop in query.find_crops(caps):
        names.affine_path(crop).write_text(f"affine of {visit.subject}")
    return caps


@pytest.fixture
def out(tmp_path):
    return tmp_path / "homogenised"
