"""What every test may ask for."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Machines of CI are slow at times, and every file that a test draws goes to one place. The same
# examples are drawn each time; HYPOTHESIS_PROFILE=explore draws new ones, to look for more.
for name, fixed in (("here", True), ("explore", False)):
    settings.register_profile(
        name,
        deadline=None,
        database=None,
        derandomize=fixed,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "here"))

# Before torch comes in: OpenMP's threads spin while they wait, which on a busy machine makes
# small tensors ten times slower. Processes that tests start inherit it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    # One process a core: threads would only wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Found by processes that tests start, never here: it makes every crop small.
collect_ignore = ["data/small"]

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real") and not SHARED_DATA.is_dir():
        pytest.skip("the real images of ../shared/data are absent")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real images; for tests marked ``real``."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real images of ../shared/data are absent")
    return SHARED_DATA
