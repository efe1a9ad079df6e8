from pathlib import Path

import pytest

from clinica_t1nce.bids.pairs import PairRow
from clinica_t1nce.caps.query import find_images
from clinica_t1nce.errors import SelectionError
from tests.data.caps import crop_path, make_caps

VISITS = {
    ("sub-01", "ses-M000"): "",
    ("sub-01", "ses-M000ce"): "ce-gadolinium",
    ("sub-02", "ses-M000"): "",
    ("sub-02", "ses-M000ce"): "",
    ("sub-03", "ses-M000"): "ce-gd",
}


@pytest.fixture
def caps(tmp_path: Path) -> Path:
    return make_caps(tmp_path / "caps", VISITS, images=False)


def found(caps: Path, *rows: PairRow) -> list[tuple[Path | None, Path | None]]:
    return [(pair.t1ce, pair.t1nce) for pair in find_images(caps, rows, Path("pairs.tsv"))]


def test_images_are_found(caps: Path) -> None:
    assert found(
        caps,
        PairRow("sub-01", "ses-M000ce", "ses-M000"),
        PairRow("sub-02", "ses-M000ce", None),
    ) == [
        (
            crop_path(caps, "sub-01", "ses-M000ce", "ce-gadolinium"),
            crop_path(caps, "sub-01", "ses-M000"),
        ),
        (crop_path(caps, "sub-02", "ses-M000ce"), None),
    ]


def test_one_session_may_hold_both_images(caps: Path) -> None:
    plain = crop_path(caps, "sub-03", "ses-M000")
    plain.touch()
    enhanced = crop_path(caps, "sub-03", "ses-M000", "ce-gd")
    assert found(caps, PairRow("sub-03", "ses-M000", "ses-M000")) == [(enhanced, plain)]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (PairRow("sub-01", "ses-M006", "ses-M000", line=7), "row 7.: ses-M006 has no crop"),
        (PairRow("sub-02", "ses-M000", "ses-M000"), "the same image on both sides"),
        (PairRow("sub-01", "ses-M000", "ses-M000ce"), "ses-M000ce stands as T1nce, but .*T1ce"),
    ],
)
def test_rows_that_are_no_pairs(row: PairRow, complaint: str, caps: Path) -> None:
    good = PairRow("sub-01", "ses-M000ce", "ses-M000")
    with pytest.raises(SelectionError, match=f"^pairs.tsv: 1 of its rows.*{complaint}"):
        found(caps, good, row)


def test_two_crops_that_would_do(caps: Path) -> None:
    crop_path(caps, "sub-02", "ses-M000", "run-2").touch()
    with pytest.raises(SelectionError, match="2 crops that would do"):
        found(caps, PairRow("sub-02", "ses-M000ce", "ses-M000"))
