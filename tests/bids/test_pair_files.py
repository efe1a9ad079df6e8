from pathlib import Path

import pytest

from clinica_t1nce.bids.pair_files import PairFile, read_files
from clinica_t1nce.errors import SelectionError

HEADER = "t1ce\tt1nce\tsplit\tname\n"


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    for name in ("a_ce", "a", "b_ce", "b"):
        (folder / f"{name}.nii.gz").touch()
    tsv = folder / "files.tsv"
    tsv.write_text(header + "".join(f"{row}\n" for row in rows))
    return tsv


def test_rows_by_split(tmp_path: Path) -> None:
    absolute = tmp_path / "b_ce.nii.gz"
    tsv = table(
        tmp_path,
        "a_ce.nii.gz\ta.nii.gz\t\tfirst",
        f"{absolute}\tb.nii.gz\tValidation\t",
        "n/a\ta.nii.gz\tn/a\talone",
    )
    found = read_files(tsv)
    assert found["train"] == [
        PairFile("first", tmp_path / "a_ce.nii.gz", tmp_path / "a.nii.gz"),
        PairFile("alone", None, tmp_path / "a.nii.gz"),
    ]
    assert found["validation"] == [PairFile("b.nii.gz", absolute, tmp_path / "b.nii.gz")]
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
def test_what_cannot_be_used_is_refused(tmp_path: Path, rows: list[str], complaint: str) -> None:
    with pytest.raises(SelectionError, match=complaint):
        read_files(table(tmp_path, *rows))


def test_columns_are_needed(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="no column t1nce"):
        read_files(table(tmp_path, "a_ce.nii.gz", header="t1ce\n"))
