"""The pages as a browser shows them: skipped where no Chromium is installed."""

import numpy as np
import pandas as pd
import pytest

from clinica_t1nce.report import PageEntry, write_group_report, write_participant_page
from tests.data import volumes

READY = "document.documentElement?.dataset.ready"
SHAPE = (40, 48, 44)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    t1nce = volumes.brain(SHAPE)
    t1ce = volumes.enhance(t1nce)
    # A bright cube on the right, in front, on top, and only there.
    t1ce[30:34, 34:40, 30:34] = 1500
    return write_participant_page(
        tmp_path_factory.mktemp("page") / "sub-01.html",
        {"T1ce": t1ce, "mine": t1nce, "T1nce": t1nce},
        np.eye(4),
        mask=t1nce > 0,
        labels=np.digitize(t1nce, [1, 340]),
        measures={"Confidence": 0.5},
        title="sub-01",
    )


def value(tab, element):
    return int(tab.js(f"document.getElementById('{element}').value"))


def pixels(tab, number):
    """Give the red, green and blue values of a panel."""
    script = (
        f"(() => {{ const c = document.querySelectorAll('#panels .frame canvas')[{number}];"
        "const copy = new OffscreenCanvas(c.width, c.height)"
        ".getContext('2d', { willReadFrequently: true }); copy.drawImage(c, 0, 0);"
        "return [c.width, c.height, [...copy.getImageData(0, 0, c.width, c.height).data]]; })()"
    )
    width, height, data = tab.js(script)
    return np.array(data).reshape(height, width, 4)[..., :3]


def settle(tab):
    tab.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_panels_slider_and_keyboard(tab, page):
    tab.open(page, READY)
    captions = "[...document.querySelectorAll('figcaption')].map((e) => e.textContent)"
    assert tab.js(captions) == ["T1ce", "mine", "T1nce", "mine \N{MINUS SIGN} T1nce"]
    start = value(tab, "slice")
    tab.press("ArrowRight")
    assert value(tab, "slice") == start + 1
    tab.press("Home")
    assert value(tab, "slice") == 0
    tab.press("End")
    assert value(tab, "slice") == int(tab.js("document.getElementById('slice').max"))
    tab.press("2")
    assert tab.js("document.querySelector('[aria-pressed=true]').textContent") == "Coronal"
    assert "coronal slice" in tab.js(
        "document.getElementById('slice').ariaValueText || "
        "document.getElementById('slice').getAttribute('aria-valuetext')"
    )
    # The slider itself has the focus, and moves by its own keys only once.
    tab.js("document.getElementById('slice').focus()")
    before = value(tab, "slice")
    tab.press("ArrowLeft")
    assert value(tab, "slice") == before - 1
    tab.press("ArrowUp")
    assert value(tab, "slice") == before


def test_every_control_is_reached_by_tab(tab, page):
    tab.open(page, READY)
    seen = set()
    for _ in range(16):
        tab.press("Tab")
        seen.add(tab.js("document.activeElement.id || document.activeElement.dataset.plane"))
    controls = {"viewer", "slice", "axial", "coronal", "sagittal", "mask", "tissues", "cross"}
    assert controls | {"brightness", "minuend", "subtrahend", "limit"} <= seen


def test_slices_are_drawn_in_radiological_convention(tab, page):
    tab.open(page, READY)
    tab.press("1")
    shape = tab.js("JSON.parse(document.getElementById('data').textContent).shape")
    first = tab.js("JSON.parse(document.getElementById('data').textContent).first")
    cube = [32 - first[0], 37 - first[1], 32 - first[2]]
    tab.put("slice", cube[2])
    settle(tab)
    picture = pixels(tab, 0).mean(axis=2)
    bright = np.argwhere(picture > 250).mean(axis=0) / picture.shape
    expected = [1 - (cube[1] + 0.5) / shape[1], 1 - (cube[0] + 0.5) / shape[0]]
    assert bright == pytest.approx(expected, abs=0.03)
    # A click on it takes the other planes there.
    tab.click("#panels .frame canvas", across=expected[1], down=expected[0])
    for key, axis in (("2", 1), ("3", 0)):
        tab.press(key)
        assert value(tab, "slice") == pytest.approx(cube[axis], abs=1)
        settle(tab)
        assert (pixels(tab, 0).mean(axis=2) > 250).any()


def test_difference_is_signed_and_can_be_chosen(tab, page):
    tab.open(page, READY)
    settle(tab)
    # The two are the same but for gain.
    assert pixels(tab, 3).mean() < 6
    first = tab.js("JSON.parse(document.getElementById('data').textContent).first")
    tab.put("slice", 32 - first[2])
    tab.put("limit", 60)
    tab.put("minuend", 0)
    tab.put("subtrahend", 1)
    settle(tab)
    removed = pixels(tab, 3).reshape(-1, 3).astype(int)
    assert (
        tab.js("document.querySelectorAll('figcaption')[3].textContent")
        == "T1ce \N{MINUS SIGN} mine"
    )
    tab.put("minuend", 1)
    tab.put("subtrahend", 0)
    settle(tab)
    added = pixels(tab, 3).reshape(-1, 3).astype(int)
    # Ends of the scale: nearly white with a touch of orange, and of blue.
    for picture, sign in ((removed, 1), (added, -1)):
        strong = picture[picture.sum(axis=1) > 450]
        assert len(strong) > 100
        assert (sign * (strong[:, 0] - strong[:, 2]) > 0).mean() > 0.95


def test_outlines_appear_and_go(tab, page):
    tab.open(page, READY)
    settle(tab)
    plain = pixels(tab, 0)
    for key in "mtc":
        tab.press(key)
        settle(tab)
        outlined = pixels(tab, 0)
        assert (np.ptp(outlined, axis=2) > 60).sum() > 50
        tab.press(key)
        settle(tab)
        assert np.array_equal(pixels(tab, 0), plain)


@pytest.mark.parametrize(("width", "phone"), [(390, True), (1280, False)])
@pytest.mark.parametrize("dark", [False, True])
def test_pages_fit_their_width(tab, page, tmp_path, width, phone, dark):
    report = write_group_report(
        tmp_path,
        {"Table": pd.DataFrame({f"column {n}": ["value"] for n in range(12)})},
        [],
        [
            PageEntry(
                f"sub-{n}", "p.html", n, {"MAE": n, "PSNR": n, "SSIM": n}, ["a long flag " * 5]
            )
            for n in range(9)
        ],
    )
    for path in (page, report):
        tab.size(width, 844, phone=phone, dark=dark)
        tab.open(path, READY)
        assert tab.js("document.documentElement.scrollWidth") <= width
        assert tab.js("parseFloat(getComputedStyle(document.body).fontSize)") >= 16
        background = tab.js("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") is not dark


def test_index_shows_filters_sorts_and_reads(tab, page, tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "a #1.html").write_bytes(page.read_bytes())
    participants = [
        PageEntry(
            f"sub-{n:04}", "pages/a #1.html", -n, {"MAE": n % 100}, ["odd"] if n > 4990 else []
        )
        for n in range(5000)
    ]
    tab.open(write_group_report(tmp_path, {}, [], participants), READY)
    rows = "document.querySelectorAll('#body tr').length"
    first = "document.querySelector('#body a').textContent"
    assert tab.js(rows) < 1000
    assert tab.js(first) == "sub-4999"
    tab.js("scrollTo(0, document.body.scrollHeight)")
    count = tab.js(rows)
    tab.wait(f"{rows} > {min(count, 400)} - 1")

    tab.put("find", "sub-012")
    assert tab.js(rows) == 10
    tab.put("find", "")
    tab.put("flag", 0)
    assert tab.js(rows) == 9
    tab.js("document.querySelectorAll('#head button')[2].click()")
    assert tab.js(first) == "sub-4991"
    tab.js("document.querySelectorAll('#head button')[2].click()")
    assert tab.js(first) == "sub-4999"

    tab.click("#body a")
    place = "document.getElementById('place').textContent"
    assert tab.js(place) == "sub-4999 (1 of 9)"
    tab.press("n")
    assert tab.js(place) == "sub-4998 (2 of 9)"
    tab.press("p")
    assert tab.js(place) == "sub-4999 (1 of 9)"
    tab.press("Escape")
    assert tab.js("document.getElementById('reader').hidden")
    assert tab.js("document.activeElement.textContent") == "sub-4999"
