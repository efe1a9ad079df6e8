import tempfile

import pytest

from tests.data.caps import save_weights


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path_factory, monkeypatch):
    """Working directories of their own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("tmp")))


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return str(save_weights(tmp_path_factory.mktemp("weights")))
