import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinica_t1nce.errors import SelectionError
from clinica_t1nce.files import text


def test_what_was_written_is_read(tmp_path):
    content = {"a": [1, None, "é"], "b": {"c": 0.5}}
    text.write_text(tmp_path / "x.json", text.as_json(content))
    assert text.read_json(tmp_path / "x.json") == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"not JSON \(empty\)"),
        (b'{\n"a": inf}', r"not JSON \(line 2: "),
        ('{"a": "é"}'.encode("latin-1"), r"not UTF-8 \(line 1: byte 0xe9\)"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "holds bytes 0"),
        (b"[1]", "not a JSON object"),
        (b"[" * 100_000, "too many brackets"),
        (b'{"a": "Dotarem", "a": ""}', "field 'a' twice"),
    ],
)
def test_what_is_no_json_is_one_line(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(SelectionError, match=f"^{path}: .*{message}") as caught:
        text.read_json(path)
    assert "\n" not in str(caught.value)
    assert text.find_json(path) is None


def test_a_file_that_was_not_fetched_is_said(tmp_path):
    path = tmp_path / "x.json"
    path.symlink_to("../.git/annex/objects/none.json")
    with pytest.raises(SelectionError, match="a link to a file that is not there; fetch it"):
        text.read_json(path)
    assert text.find_json(tmp_path / "no.json") is None


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    path = tmp_path / "x.json"
    path.touch(mode=0o000)
    with pytest.raises(SelectionError, match="Permission denied"):
        text.read_json(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")], "\ud800"])
def test_what_is_written_is_json(tmp_path, value):
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text.write_text(tmp_path / "x.json", text.as_json({"a": value}))
    json.loads((tmp_path / "x.json").read_text(encoding="utf-8"), parse_constant=refuse)


PLAIN = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(
    PLAIN | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_what_was_drawn_is_read(tmp_path, content):
    text.write_text(tmp_path / "x.json", text.as_json(content))
    assert text.read_json(tmp_path / "x.json") == content


@given(st.binary(max_size=60) | st.text('{}[]:,"a1.eINfn-\\ \n', max_size=60).map(str.encode))
def test_any_bytes_are_an_object_or_one_line(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    try:
        assert isinstance(text.read_json(path), dict)
    except SelectionError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)
