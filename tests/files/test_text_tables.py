import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files.text import read_numbered, read_rows, read_unique, table_text


def test_what_was_written_is_read(tmp_path):
    rows = [{"a": "1", "b": "x y"}, {"a": "2"}]
    path = tmp_path / "t.tsv"
    path.write_text(table_text(rows, ["a", "b"]))
    assert path.read_text() == "a\tb\n1\tx y\n2\tn/a\n"
    assert read_rows(path, ["a"]) == [{"a": "1", "b": "x y"}, {"a": "2", "b": "n/a"}]


def test_spaces_marks_and_short_rows(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes(b"\xef\xbb\xbfa \tb\r\n 1\r\n\t\r\n2\t3\t\t\r\n")
    assert read_rows(path) == [{"a": "1", "b": ""}, {"a": "2", "b": "3"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no column a"), (b"b\n1\n", "no column a"), (b"\xff\xfe\x00", "save it as UTF-8")],
)
def test_unusable_tables_are_named(tmp_path, content, message):
    path = tmp_path / "t.tsv"
    path.write_bytes(content)
    with pytest.raises(SelectionError, match=f"{path}.*{message}"):
        read_rows(path, ["a"])


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(SelectionError, match=r"no\.tsv"):
        read_rows(tmp_path / "no.tsv")


def test_lines_are_those_of_the_file(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes(b"\xef\xbb\xbfa\tb\r\n1\t2\r\n\r\n3\t4\r\n")
    assert read_numbered(path) == (
        ["a", "b"],
        [(2, {"a": "1", "b": "2"}), (4, {"a": "3", "b": "4"})],
    )


def test_quotation_marks_are_letters_and_no_row_is_lost(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text('a\tb\n1\t"moved\n2\tsaid "no"\n3\t"\n')
    rows = read_rows(path, ["a"])
    assert [row["b"] for row in rows] == ['"moved', 'said "no"', '"']
    path.write_text(table_text(rows, ["a", "b"]))
    assert read_rows(path) == rows


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('a\tb\n1\t2\n"3"\t4\n', "row 3: a '\"3\"' with a quotation mark"),
        ('"a"\tb\n1\t2\n', "no column a; .* without quotation marks"),
        ("a\tb\n1\t2\t\n1\t2\t3\n", "row 3: a cell '3' under no column"),
        ("a\t\tb\n1\t\t2\n1\t2\t3\n", "row 3: a cell '2' under no column"),
        ("a\ta\n1\t2\n", "column a twice"),
        ("a\n1\n\n2\n1\n", r"listed twice: 1 \(rows 2 and 5\)"),
    ],
)
def test_a_row_that_would_be_misread_is_named(tmp_path, content, message):
    path = tmp_path / "t.tsv"
    path.write_text(content)
    with pytest.raises(SelectionError, match=f"{path}: {message}"):
        read_unique(path, "a")


def test_the_line_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_bytes(b"a\n1\nR\xe9mi\n")
    with pytest.raises(SelectionError, match=r"line 3: byte 0xe9.*save it as UTF-8"):
        read_rows(path)


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
@example([('"', 'a"'), ("\u2028", "\x1c")])
def test_what_was_drawn_is_read(tmp_path, drawn):
    path = tmp_path / "t.tsv"
    rows = [{"a": a, "b": b} for a, b in drawn]
    path.write_text(table_text(rows, ["a", "b"]), encoding="utf-8", newline="")
    expected = [
        {key: " ".join(value.split()) or "n/a" for key, value in row.items()} for row in rows
    ]
    assert read_rows(path) == expected


@given(st.binary(max_size=60) | st.text("a\t\n\r\"'é", max_size=60).map(str.encode))
@example(b'a\n"x\ny\n')
@example(b"a\r1\r2\r")
@example(b"a\x0b\n1\x0b2\n")
def test_every_line_is_a_row_or_one_is_named(tmp_path, content):
    path = tmp_path / "t.tsv"
    path.write_bytes(content)
    try:
        rows = read_rows(path)
    except SelectionError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
        return
    text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    assert len(rows) == sum(bool(line.strip()) for line in text.split("\n")[1:])
