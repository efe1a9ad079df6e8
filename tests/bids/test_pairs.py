from pathlib import Path

import pytest

from clinica_t1nce.bids import pairs
from clinica_t1nce.bids.pairs import PairFiles, PairRow, read_files
from clinica_t1nce.errors import SelectionError

OURS = "participant_id\tsession_id_t1nce\tsession_id_t1ce"
AUTHORS = "participant_id\tsession_id_1\tdiagnosis_1\tsession_id_2\tdiagnosis_2"


def table(folder: Path, *lines: str) -> Path:
    path = folder / "pairs.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def sessions(tsv: Path, **options) -> list[tuple[str | None, str | None]]:
    return [(row.t1ce, row.t1nce) for row in pairs.read_pairs(tsv, **options).rows]


def test_our_form(tmp_path: Path) -> None:
    tsv = table(
        tmp_path,
        f"{OURS}\tage\tquality\tsplit\tfold",
        "sub-01\tses-A\tses-B\t60\tgood\ttrain\t2",
        "",
        "sub-02\tses-A\tses-B\t\tn/a\tTEST",
    )
    read = pairs.read_pairs(tsv)
    assert read.rows == (
        PairRow("sub-01", "ses-B", "ses-A", "train", 2, "good", 2),
        PairRow("sub-02", "ses-B", "ses-A", "test", None, None, 4),
    )
    assert read.cells[0]["age"] == "60"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("gado_1", "gado_0", ("ses-A", "ses-B")),
        ("gado_0", "gado_1", ("ses-B", "ses-A")),
        ("T1nce", "T1ce", ("ses-B", "ses-A")),
        ("gaudo_1", "?", ("ses-A", "ses-B")),
        ("AD", "AD", ("ses-A", "ses-B")),
    ],
)
def test_authors_form(first: str, second: str, expected: tuple[str, str], tmp_path: Path) -> None:
    tsv = table(tmp_path, AUTHORS, f"sub-01\tses-A\t{first}\tses-B\t{second}")
    assert sessions(tsv) == [expected]


def test_unpaired_images(tmp_path: Path) -> None:
    tsv = table(tmp_path, OURS, "sub-01\t\tses-B", "sub-02\tses-A\tn/a")
    assert sessions(tsv, unpaired=True) == [("ses-B", None), (None, "ses-A")]
    with pytest.raises(SelectionError, match=r"row 2 \(sub-01\).*--unpaired"):
        pairs.read_pairs(tsv)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["participant_id\tsession_id"], "session_id_t1ce"),
        ([OURS], "no pair"),
        ([OURS, "01\tses-A\tses-B"], "'01' does not begin with sub-"),
        ([OURS, "sub-01\tA\tses-B"], "'A' does not begin with ses-"),
        ([OURS, "sub-01\tses-A\tses-B", "sub-01\tses-A\tses-B"], "twice .rows 2 and 3"),
        ([f"{OURS}\tsplit", "sub-01\tses-A\tses-B\tholdout"], "split 'holdout'"),
        ([f"{OURS}\tquality", "sub-01\tses-A\tses-B\tbad"], "quality 'bad'"),
        ([f"{OURS}\tfold", "sub-01\tses-A\tses-B\tone"], "fold 'one'"),
        ([AUTHORS, "sub-01\tses-A\tgado_1\tses-B\tgado_1"], "both sessions are labelled 'gado_1'"),
        (
            [f"{OURS}\tsplit", "sub-01\tses-A\tses-B\ttrain", "sub-01\tses-C\tses-D\ttest"],
            "more than one split or fold: sub-01",
        ),
    ],
)
def test_tables_that_cannot_be_used(lines: list[str], complaint: str, tmp_path: Path) -> None:
    tsv = table(tmp_path, *lines)
    with pytest.raises(SelectionError, match=f"^{tsv}: .*{complaint}") as caught:
        pairs.read_pairs(tsv)
    assert "\n" not in str(caught.value)


ROWS = (
    PairRow("sub-01", "ses-B", "ses-A", fold=0),
    PairRow("sub-02", "ses-B", "ses-A", fold=1, split="train"),
    PairRow("sub-03", "ses-B", "ses-A", split="test"),
    PairRow("sub-04", "ses-B", "ses-A", fold=1, quality="low"),
    PairRow("sub-05", "ses-B", "ses-A", fold=0, split="validation"),
)


def subjects(**options) -> dict[str, list[str]]:
    divided = pairs.divide(ROWS, Path("pairs.tsv"), **options)
    return {split: [row.subject[-2:] for row in rows] for split, rows in divided.items()}


def test_rows_are_divided() -> None:
    assert subjects() == {"train": ["01", "02"], "validation": ["05"], "test": ["03", "04"]}
    assert subjects(low_quality=True)["train"] == ["01", "02", "04"]
    assert subjects(fold=0) == {
        "train": ["02"],
        "validation": ["01", "05"],
        "test": ["03", "04"],
    }


def test_fold_that_is_not_there() -> None:
    with pytest.raises(SelectionError, match=r"no fold 4 \(column fold: 0, 1\)"):
        subjects(fold=4)


def test_nothing_to_train_on() -> None:
    with pytest.raises(SelectionError, match="no pair to train on"):
        pairs.divide(ROWS[2:4], Path("pairs.tsv"))


def test_rows_that_cannot_be_used_are_told_and_the_rest_is_kept(tmp_path):
    tsv = tmp_path / "pairs.tsv"
    tsv.write_text(
        "participant_id\tsession_id_t1nce\tsession_id_t1ce\tquality\n"
        "sub-01\tses-1\tses-2\tgood\n"
        "sub-01\tses-1\tses-2\tgood\n"
        "01\tses-1\tses-2\tgood\n"
        "sub-02\tses-1\tses-2\tgrand\n"
        "sub-03\tses-1\tses-2\tlow\n"
    )
    usable, problems = pairs.read_usable(tsv)
    assert [(str(row), cells["quality"]) for row, cells in usable] == [
        ("sub-01 (row 2)", "good"),
        ("sub-03 (row 6)", "low"),
    ]
    assert list(problems) == ["sub-01 (row 3)", "01 (row 4)", "sub-02 (row 5)"]
    assert "the same pair as row 2" in problems["sub-01 (row 3)"]
    assert "does not begin with sub-" in problems["01 (row 4)"]
    assert "'grand'" in problems["sub-02 (row 5)"]


FILES = "t1ce\tt1nce\tsplit\tname\n"


def table_of_files(folder: Path, *rows: str, header: str = FILES) -> Path:
    for name in ("a_ce", "a", "b_ce", "b"):
        (folder / f"{name}.nii.gz").touch()
    tsv = folder / "files.tsv"
    tsv.write_text(header + "".join(f"{row}\n" for row in rows))
    return tsv


def test_files_by_split(tmp_path: Path) -> None:
    absolute = tmp_path / "b_ce.nii.gz"
    tsv = table_of_files(
        tmp_path,
        "a_ce.nii.gz\ta.nii.gz\t\tfirst",
        f"{absolute}\tb.nii.gz\tValidation\t",
        "n/a\ta.nii.gz\tn/a\talone",
    )
    found = read_files(tsv)
    assert found["train"] == [
        PairFiles("first", tmp_path / "a_ce.nii.gz", tmp_path / "a.nii.gz"),
        PairFiles("alone", None, tmp_path / "a.nii.gz"),
    ]
    assert found["validation"] == [PairFiles("b.nii.gz", absolute, tmp_path / "b.nii.gz")]
    assert found["test"] == []


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (["a_ce.nii.gz\ta.nii.gz\ttraining\t"], "row 2: split 'training'"),
        (["a_ce.nii.gz\tn/a\t\t"], "row 2 names no T1nce"),
        (["a_ce.nii.gz\tc.nii.gz\t\t"], "c.nii.gz: no such file; check column t1nce"),
        (["a_ce.nii.gz\ta.nii.gz\ttest\t"], "no pair to train on"),
        (["a_ce.nii.gz\ta.nii.gz\t\t"] * 2, "rows 2 and 3 name the same files"),
        (
            ["a_ce.nii.gz\ta.nii.gz\t\tx", "b_ce.nii.gz\tb.nii.gz\t\tx"],
            "two rows are called 'x'",
        ),
    ],
)
def test_unusable_files_are_refused(tmp_path: Path, rows: list[str], complaint: str) -> None:
    with pytest.raises(SelectionError, match=complaint):
        read_files(table_of_files(tmp_path, *rows))


def test_columns_of_files_are_needed(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="no column t1nce"):
        read_files(table_of_files(tmp_path, "a_ce.nii.gz", header="t1ce\n"))
