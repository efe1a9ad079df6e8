from pathlib import Path

from click.testing import CliRunner

from clinica_t1nce.bids.pairs import read_pairs
from clinica_t1nce.cli import main


def split(*words: object) -> str:
    result = CliRunner().invoke(main.cli, ["split", *map(str, words)])
    assert result.exit_code == 0, result.output
    return result.output


def table(folder: Path) -> Path:
    rows = [f"{n}\tsub-{n:02d}\tses-M000\tses-M000ce\ttrain" for n in range(20)]
    header = "site\tparticipant_id\tsession_id_t1nce\tsession_id_t1ce\tsplit"
    tsv = folder / "pairs.tsv"
    tsv.write_text("\n".join([header, *rows]) + "\n")
    return tsv


def test_table_is_written_with_what_it_had(tmp_path: Path) -> None:
    out = tmp_path / "split.tsv"
    printed = split(table(tmp_path), out, "--validation", "0.2", "--test", "0.25", "--seed", "3")
    assert printed == f"{out}: 5 test, 11 train, 4 validation\n"
    read = read_pairs(out)
    assert read.header == ("site", "participant_id", "session_id_t1nce", "session_id_t1ce", "split")
    assert [cells["site"] for cells in read.cells] == [str(n) for n in range(20)]
    before = out.read_bytes()
    split(table(tmp_path), out, "--validation", "0.2", "--test", "0.25", "--seed", "3")
    assert out.read_bytes() == before


def test_folds(tmp_path: Path) -> None:
    out = tmp_path / "split.tsv"
    split(table(tmp_path), out, "--folds", "3")
    folds = [row.fold for row in read_pairs(out).rows]
    assert [folds.count(fold) for fold in (0, 1, 2, None)] == [6, 6, 6, 2]


def test_fold_and_validation_exclude_each_other(tmp_path: Path) -> None:
    words = ["split", str(table(tmp_path)), "out.tsv", "--folds", "3", "--validation", "0.1"]
    result = CliRunner().invoke(main.cli, words)
    assert result.exit_code == 2
    assert "--folds" in result.output


def test_a_negative_seed_is_wrong_usage(tmp_path: Path) -> None:
    words = ["split", str(table(tmp_path)), str(tmp_path / "out.tsv"), "--seed", "-1"]
    result = CliRunner().invoke(main.cli, words)
    assert result.exit_code == 2
    assert "--seed" in result.output
    assert not (tmp_path / "out.tsv").exists()
