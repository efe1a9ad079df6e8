import pytest

from clinica_t1nce.caps import names
from tests.data.generators import Generator
from tests.data.raw import make_visit
from tests.translation.on_grids import run


@pytest.fixture(scope="package")
def visit(tmp_path_factory):
    return make_visit(tmp_path_factory.mktemp("visit"))


@pytest.fixture(scope="package")
def made(visit, generator, tmp_path_factory):
    """The three images, in the order of names.SPACES, and what lies beside them."""
    return run(
        visit, tmp_path_factory.mktemp("made"), generator, *names.SPACES, save_enhancement=True
    )


@pytest.fixture(scope="package")
def generator():
    return Generator()
