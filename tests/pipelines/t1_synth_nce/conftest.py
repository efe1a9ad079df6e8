import pytest

from tests.data.caps import make_caps
from tests.pipelines.t1_synth_nce.small import TWO


@pytest.fixture
def empty_caps(tmp_path):
    """Crops of no bytes: enough for whatever comes before the work."""
    return make_caps(tmp_path / "caps", TWO, images=False)
