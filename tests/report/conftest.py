import pytest

from tests.report import browser


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A browser shared by all tests; skipped where there is none."""
    if browser.find() is None:
        pytest.skip(f"no browser to look at pages with (none of {', '.join(browser.NAMES)})")
    tab = browser.Browser(tmp_path_factory.mktemp("profile"))
    yield tab
    tab.close()


@pytest.fixture
def tab(chromium):
    """The browser, on a page that is not there yet; its complaints fail the test."""
    chromium.errors.clear()
    chromium.requests.clear()
    chromium.size(1280, 900)
    yield chromium
    assert chromium.errors == []
    assert [url for url in chromium.requests if not url.startswith(("file:", "data:"))] == []
