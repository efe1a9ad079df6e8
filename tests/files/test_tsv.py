import pytest

from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files import tsv


def test_what_was_written_is_read(tmp_path):
    rows = [{"a": "1", "b": "x y"}, {"a": "2"}]
    path = tmp_path / "t.tsv"
    path.write_text(tsv.text(rows, ["a", "b"]))
    assert path.read_text() == "a\tb\n1\tx y\n2\tn/a\n"
    assert tsv.read(path, ["a"]) == [{"a": "1", "b": "x y"}, {"a": "2", "b": "n/a"}]


def test_spaces_marks_and_short_rows(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes(b"\xef\xbb\xbfa \tb\r\n 1\r\n\t\r\n2\t3\t4\r\n")
    assert tsv.read(path) == [{"a": "1", "b": ""}, {"a": "2", "b": "3"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no column a"), (b"b\n1\n", "no column a"), (b"\xff\xfe\x00", "save it as UTF-8")],
)
def test_unusable_tables_are_named(tmp_path, content, message):
    path = tmp_path / "t.tsv"
    path.write_bytes(content)
    with pytest.raises(SelectionError, match=f"{path}.*{message}"):
        tsv.read(path, ["a"])


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(SelectionError, match=r"no\.tsv"):
        tsv.read(tmp_path / "no.tsv")


def test_lines_are_those_of_the_file(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes(b"\xef\xbb\xbfa\tb\r\n1\t2\r\n\r\n3\t4\r\n")
    assert tsv.read_numbered(path) == (
        ["a", "b"],
        [(2, {"a": "1", "b": "2"}), (4, {"a": "3", "b": "4"})],
    )


def test_a_quotation_mark_that_is_not_closed_is_named(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text('a\n"' + "x\n" * 100_000)
    with pytest.raises(SelectionError, match=f"{path}: line .* a quotation mark"):
        tsv.read(path)
