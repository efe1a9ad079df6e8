import pytest

from tests.data import volumes


@pytest.fixture
def t1ce():
    return volumes.enhance(volumes.brain())
