import pandas as pd
import pytest

from clinica_t1nce.bids.entities import Visit
from clinica_t1nce.errors import OutputError
from clinica_t1nce.report import PageEntry, write_group_report
from tests.report.pages import Page
from tests.report.test_participant_page import EVIL

PNG = b"\x89PNG\r\n\x1a\nnot really"


def entries(n: int) -> list[PageEntry]:
    return [
        PageEntry(
            f"sub-{i:05}", f"pages/sub-{i:05}.html", i % 7, {"MAE": 1.5 * i}, ["odd"] * (i % 2)
        )
        for i in range(n)
    ]


def test_worst_first_whatever_the_order_given(tmp_path):
    keys = {"a": 0.9, "b": 0.1, "c": float("nan"), "d": float("-inf"), "e": 0.1}
    participants = [PageEntry(name, f"{name}.html", key) for name, key in keys.items()]
    pages = [
        Page(write_group_report(tmp_path, {}, [], order))
        for order in (participants, participants[::-1])
    ]
    assert [row[0] for row in pages[0].data["rows"]] == ["c", "d", "b", "e", "a"]
    assert pages[0].text == pages[1].text


def test_a_report_that_says_the_same_is_not_touched(tmp_path):
    path = write_group_report(tmp_path, {}, [], entries(2))
    before = path.stat()
    write_group_report(tmp_path, {}, [], entries(2))
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    write_group_report(tmp_path, {}, [], entries(3))
    assert len(Page(path).data["rows"]) == 3


def test_rows_of_the_index(tmp_path):
    participants = [
        PageEntry(
            "one",
            "p/1.html",
            1,
            {"MAE": 1.23456789, "PSNR": float("inf")},
            ["b", "a"],
            visit=Visit("sub-1", "ses-1"),
            has_thumbnail=True,
        ),
        PageEntry("two", None, 2, {"MAE": None, "Quality": "low", "None": None}),
    ]
    data = Page(write_group_report(tmp_path, {}, [], participants)).data
    assert data["names"] == ["MAE", "PSNR", "Quality"]
    assert data["flags"] == ["a", "b"]
    assert data["rows"] == [
        ["one", "p/1.html", [1, 0], 1.23457, "inf", None],
        ["two", None, [], None, None, "low"],
    ]
    assert data["visits"] == [["sub-1", "ses-1"], None]
    assert data["thumbnails"] == [1, 0]


def test_tables_figures_and_note(tmp_path):
    for name in ("figure_5.png", "figure_3.svg"):
        (tmp_path / name).write_bytes(PNG)
    table = pd.DataFrame({"MAE": [3.14159, float("nan")], "n": [7, 8]}, index=["T1ce", "mine"])
    page = Page(
        write_group_report(
            tmp_path / "out",
            {"Table 1": table.rename_axis("image"), "Bare": table, "Long": pd.concat([table] * 20)},
            [tmp_path / "figure_5.png", tmp_path / "figure_3.svg"],
            [],
            "First.\n\nSecond.",
            title="Evaluation",
        )
    )
    assert {
        "Evaluation",
        "First.",
        "Second.",
        "Table 1",
        "image",
        "T1ce",
        "3.142",
        "n/a",
        "7",
    } <= set(page.texts)
    assert page.texts.count("T1ce") == 1
    assert [tag for tag, _ in page.tags].count("details") == 1
    images = [a for tag, a in page.tags if tag == "img"]
    assert [image["alt"] for image in images] == ["figure 5", "figure 3"]
    assert [str(image["src"]).partition(";")[0] for image in images] == [
        "data:image/png",
        "data:image/svg+xml",
    ]
    assert "Participants" not in page.texts


def test_everything_is_escaped(tmp_path):
    entry = PageEntry(EVIL, "p.html", 0, {EVIL: EVIL}, [EVIL])
    table = pd.DataFrame({EVIL: [EVIL]})
    page = Page(write_group_report(tmp_path, {EVIL: table}, [], [entry], EVIL, title=EVIL))
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert "img" not in [tag for tag, _ in page.tags]
    assert page.data["rows"][0][0] == page.data["flags"][0] == page.data["names"][0] == EVIL


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    page = Page(write_group_report(tmp_path, {}, [], entries(3)))
    assert [a for a in page.addresses() if not a.startswith("#")] == ["data:,"]
    assert "http" not in page.text.replace("http-equiv", "")


def test_ten_thousand_entries_stay_small(tmp_path):
    path = write_group_report(tmp_path, {}, [], entries(10_000))
    assert path.stat().st_size < 2_000_000
    page = Page(path)
    assert len(page.data["rows"]) == 10_000
    # They are data; rows of the table are made as one scrolls.
    assert "tr" in [tag for tag, _ in page.tags]
    assert len(page.tags) < 100


@pytest.mark.parametrize("page", ["/abs.html", "../up.html", "a/../../b.html", "javascript:x"])
def test_pages_elsewhere_are_refused(tmp_path, page):
    with pytest.raises(ValueError, match="below the report's folder"):
        write_group_report(tmp_path, {}, [], [PageEntry("x", page, 0)])
    assert list(tmp_path.iterdir()) == []


def test_bad_figures(tmp_path):
    with pytest.raises(OutputError, match=r"gone\.png"):
        write_group_report(tmp_path, {}, [tmp_path / "gone.png"], [])
    with pytest.raises(ValueError, match="figures are"):
        write_group_report(tmp_path, {}, [tmp_path / "figure.pdf"], [])
