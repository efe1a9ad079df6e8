"""The pages as a browser shows them: skipped where no Chromium is installed."""

import io
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.caps.query import read_visits
from clinica_t1nce.files.text import read_rows
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


FIRST = "document.querySelector('#body a').textContent"
PLACE = "document.getElementById('place').textContent"


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
    assert tab.js(rows) == 100
    assert tab.js(FIRST) == "sub-4999"
    tab.js("document.getElementById('forth').click()")
    assert tab.js("document.getElementById('range').textContent") == "101 to 200 of 5000"
    assert tab.js("document.activeElement.textContent") == "sub-4899"
    tab.press("ArrowUp")
    assert tab.js("document.activeElement.textContent") == "sub-4900"
    # Without visits there is nothing to mark for.
    assert tab.js("[...document.querySelectorAll('.for-marks')].every((e) => e.hidden)")

    tab.put("find", "sub-012")
    assert tab.js(rows) == 10
    tab.put("find", "")
    tab.put("flag", 0)
    assert tab.js(rows) == 9
    tab.js("document.querySelectorAll('#head button')[2].click()")
    assert tab.js(FIRST) == "sub-4991"
    tab.js("document.querySelectorAll('#head button')[2].click()")
    assert tab.js(FIRST) == "sub-4999"

    tab.click("#body a")
    assert tab.js(PLACE) == "sub-4999 (1 of 9)"
    tab.press("n")
    assert tab.js(PLACE) == "sub-4998 (2 of 9)"
    tab.press("b")
    assert tab.js(PLACE) == "sub-4999 (1 of 9)"
    tab.press("Escape")
    assert tab.js("document.getElementById('reader').hidden")
    assert tab.js("document.activeElement.textContent") == "sub-4999"


def saved(tab, folder):
    """Give the rows of the table that the page saves, and read it as the commands do."""
    path = folder / "visits.tsv"
    path.unlink(missing_ok=True)
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    tab.js("document.getElementById('save').click()")
    end = time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    return read_rows(path), read_visits(path)


def test_marks_are_kept_and_saved_as_visits(tab, page, tmp_path):
    for name in ("1_a", "1_b", "2_a", "3_a"):
        (tmp_path / f"{name}.html").write_bytes(page.read_bytes())
    # Two images of the first visit; of the fourth there is none.
    participants = [
        PageEntry(
            name,
            None if name == "4_a" else f"{name}.html",
            number,
            {"Change": number},
            visit=Visit(f"sub-{name[0]}", "ses-1"),
        )
        for number, name in enumerate(("1_a", "1_b", "2_a", "3_a", "4_a"))
    ]
    report = write_group_report(tmp_path, {}, [], participants)
    tab.open(report, READY)
    tab.js("localStorage.clear(); location.reload()")
    tab.open(report, READY)
    tab.click("#body a")
    assert tab.js("document.querySelector('#measures span').textContent") == "0, above 0 %"
    # A mark goes on to the next image, unless that is switched off.
    tab.press("p")
    tab.press("f")
    assert tab.js(PLACE) == "2_a (3 of 5)"
    assert tab.js("document.querySelector('#measures span').textContent") == "2, above 40 %"
    tab.js("document.getElementById('onwards').click()")
    tab.press("p")
    assert tab.js("document.querySelector('[data-mark=pass]').ariaPressed") == "true"
    tab.press("p")
    assert tab.js("document.querySelector('[data-mark=pass]').ariaPressed") == "false"
    tab.press("Escape")
    assert tab.js("document.activeElement.textContent") == "2_a"
    tab.press("ArrowDown")
    tab.press("p")
    tab.press("ArrowDown")
    tab.press("f")

    tab.open(report, READY)
    said = "document.getElementById('marks').textContent"
    assert tab.js(said) == "2 pass, 2 fail"
    rows, visits = saved(tab, tmp_path)
    assert [tuple(row.values()) for row in rows] == [
        ("sub-1", "ses-1", "fail", "1_a", "1_b"),
        ("sub-2", "ses-1", "n/a", "n/a", "n/a"),
        ("sub-3", "ses-1", "pass", "3_a", "n/a"),
        ("sub-4", "ses-1", "fail", "n/a", "4_a"),
    ]
    assert visits == [Visit(f"sub-{n}", "ses-1") for n in (1, 2, 3, 4)]
    tab.put("mark", "none")
    assert tab.js(FIRST) == "2_a"

    # Taken from the table by another browser.
    tab.js("localStorage.clear()")
    tab.open(report, READY)
    assert tab.js(said) == "0 pass, 0 fail"
    document = tab.call("DOM.getDocument")["root"]["nodeId"]
    node = tab.call("DOM.querySelector", nodeId=document, selector="#load")["nodeId"]
    tab.call("DOM.setFileInputFiles", nodeId=node, files=[str(tmp_path / "visits.tsv")])
    tab.wait(f"{said}.includes('taken')")
    assert tab.js(said) == "4 taken from visits.tsv, 2 pass, 2 fail"


def test_thumbnails_are_read_when_they_come_into_sight(tab, page, tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (240, 96)).save(picture, "jpeg")
    for n in range(100):
        (tmp_path / f"{n}.jpg").write_bytes(picture.getvalue())
    participants = [
        PageEntry(f"sub-{n:03}", f"{n}.html", n, has_thumbnail=n != 1) for n in range(100)
    ]
    tab.open(write_group_report(tmp_path, {}, [], participants), READY)
    loaded = "[...document.images].filter((i) => i.complete && i.naturalWidth).length"
    tab.wait(f"{loaded} > 3")
    assert tab.js("document.images.length") == 99
    assert tab.js(loaded) < 60
    tab.js("document.images[98].scrollIntoView()")
    tab.wait("document.images[98].naturalWidth === 240")
